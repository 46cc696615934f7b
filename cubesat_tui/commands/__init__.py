"""The commands of the program, one file a group; each imports what it needs when it runs."""
