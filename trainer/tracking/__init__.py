"""The audit's mirror in MLflow. Only here is mlflow imported, and only in the trainer's process."""
