"""Record a real run of the console and draw it: docs/demo.cast (asciicast 2) and docs/demo.gif.

    make demo-cast

The console runs in a pseudo-terminal on an empty home directory, in real time, and is operated by what is on its
screen: when the anomaly is there, Events is opened, asked why, and it is acknowledged. Nothing is edited; the
picture only leaves out waiting (no pause is longer than `LONGEST_PAUSE_S`), the cast says so with
`idle_time_limit`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import pyte
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bench.pty_program import NOISE, PtyProgram

HERE = Path(__file__).parent
COLUMNS, ROWS = 80, 24
FONT_SIZE = 14
FONTS = {
    False: ("DejaVuSansMono.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf"),
    True: ("DejaVuSansMono-Bold.ttf", "/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf"),
}
LONGEST_PAUSE_S = 1.0
FRAME_S = 0.5
"""At most two pictures a second of the run."""
NAMED = {
    "black": "000000", "red": "cd3131", "green": "0dbc79", "brown": "e5e510", "blue": "2472c8",
    "magenta": "bc3fbc", "cyan": "11a8cd", "white": "e5e5e5", "default": None,
}  # fmt: skip


def record(home: Path) -> list[tuple[float, bytes]]:
    """Everything the console wrote, with its times."""
    program = [str(Path(sys.executable).parent / "cubesat-tui")]
    environment = {"HOME": str(home), "XDG_DATA_HOME": str(home / ".local/share"), "CUBESAT_OPERATOR": "ann"}
    with PtyProgram(program, columns=COLUMNS, rows=ROWS, environment=environment, cwd=home) as console:
        console.wait_for("any key to start", 60)
        console.pump(5)
        console.send("\x1b")
        console.wait_for("ANOM", 90)
        console.pump(4)
        for keys, pause in (("5", 3.0), ("\r", 5.0), ("\x1b", 1.0), ("a", 3.0), ("2", 3.0)):
            console.send(keys)
            console.pump(pause)
        for _ in range(8):
            console.send("l")
            console.pump(0.5)
        for keys, pause in (("3", 4.0), ("4", 2.0), ("/", 1.0), ("anomaly\r", 3.0), ("1", 4.0)):
            console.send(keys)
            console.pump(pause)
    return console.output


def write_cast(output: list[tuple[float, bytes]], path: Path) -> None:
    header = {
        "version": 2, "width": COLUMNS, "height": ROWS, "idle_time_limit": LONGEST_PAUSE_S,
        "title": "cubesat-tui: a fault that no limit sees", "env": {"TERM": "xterm-256color"},
    }  # fmt: skip
    lines = [json.dumps(header)]
    held = b""
    for seconds, data in output:
        held += data
        try:
            text = held.decode("utf-8")
        except UnicodeDecodeError:
            continue  # the rest of a character comes with the next piece
        lines.append(json.dumps([round(seconds, 3), "o", text]))
        held = b""
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_gif(output: list[tuple[float, bytes]], path: Path) -> None:
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    pen = Pen()
    pictures: list[Image.Image] = []
    durations: list[int] = []
    shown_at = output[0][0]
    for seconds, data in output:
        if seconds - shown_at >= FRAME_S and any(line.strip() for line in screen.display):
            pictures.append(pen.draw(screen))
            durations.append(round(1000 * min(seconds - shown_at, LONGEST_PAUSE_S)))
            shown_at = seconds
        stream.feed(NOISE.sub(b"", data))
        if b"\x1b[?1049l" in data:
            break  # the console has left its screen
    samples = pictures[:: max(1, len(pictures) // 12)]
    montage = Image.new("RGB", (pictures[0].width, pictures[0].height * len(samples)))
    for i, picture in enumerate(samples):
        montage.paste(picture, (0, i * picture.height))
    palette = montage.quantize(96, dither=Image.Dither.NONE)
    frames = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    frames[0].save(
        path, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True, disposal=1
    )


class Pen:
    """Draws a terminal screen. Braille is drawn dot by dot: no common monospace font has it."""

    def __init__(self) -> None:
        self.fonts = {bold: _font(names) for bold, names in FONTS.items()}
        self.width = round(self.fonts[False].getlength("M"))
        ascent, descent = self.fonts[False].getmetrics()
        self.height = ascent + descent

    def draw(self, screen: pyte.Screen) -> Image.Image:
        image = Image.new("RGB", (screen.columns * self.width, screen.lines * self.height), "#000000")
        pen = ImageDraw.Draw(image)
        for y in range(screen.lines):
            for x in range(screen.columns):
                self._cell(pen, x * self.width, y * self.height, screen.buffer[y][x])
        return image

    def _cell(self, pen: ImageDraw.ImageDraw, left: int, top: int, cell: pyte.screens.Char) -> None:
        ink, paper = _colour(cell.fg, "e5e5e5"), _colour(cell.bg, "000000")
        if cell.reverse:
            ink, paper = paper, ink
        pen.rectangle((left, top, left + self.width - 1, top + self.height - 1), fill=paper)
        code = ord(cell.data[0]) if cell.data else 32
        if 0x2800 <= code <= 0x28FF:
            self._braille(pen, left, top, code - 0x2800, ink)
        elif cell.data.strip():
            pen.text((left, top), cell.data, font=self.fonts[cell.bold], fill=ink)

    def _braille(self, pen: ImageDraw.ImageDraw, left: int, top: int, dots: int, ink: str) -> None:
        places = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
        for bit, (column, row) in enumerate(places):
            if dots >> bit & 1:
                x = left + (2 * column + 1) * self.width // 4
                y = top + (2 * row + 1) * self.height // 8
                pen.rectangle((x - 1, y - 1, x, y), fill=ink)


def _font(names: tuple[str, ...]) -> ImageFont.FreeTypeFont:
    for name in names:
        try:
            return ImageFont.truetype(name, FONT_SIZE)
        except OSError:
            continue
    sys.exit("demo_cast: DejaVu Sans Mono is not installed: apt install fonts-dejavu-core")


def _colour(name: str, default: str) -> str:
    value = NAMED.get(name, NAMED.get(name.removeprefix("bright"), name))
    return f"#{value or default}"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="cubesat-demo-") as folder:
        output = record(Path(folder))
    write_cast(output, HERE / "demo.cast")
    write_gif(output, HERE / "demo.gif")
    size = (HERE / "demo.gif").stat().st_size
    print(f"{HERE / 'demo.cast'}: {output[-1][0]:.0f} s; {HERE / 'demo.gif'}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
