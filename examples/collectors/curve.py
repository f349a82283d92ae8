"""A made-up learning curve, reported in the way that ``--report`` names; what a training script would do is the same."""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

Report = Callable[[int, float, float], None]


def to_stdout(_path: str) -> Report:
    """Print ``name=value`` pairs, among whatever else is printed."""
    return lambda epoch, accuracy, loss: print(f"epoch {epoch}: accuracy={accuracy:.4f} loss={loss:.4f}", flush=True)


def to_text_file(path: str) -> Report:
    """Append lines that begin with the time."""

    def report(_epoch: int, accuracy: float, loss: float) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{now} accuracy={accuracy:.4f} loss={loss:.4f}\n")

    return report


def to_json_file(path: str) -> Report:
    """Append one JSON object a line."""

    def report(_epoch: int, accuracy: float, loss: float) -> None:
        line = {"timestamp": time.time(), "accuracy": f"{accuracy:.4f}", "loss": f"{loss:.4f}"}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return report


def to_tensorboard(path: str) -> Report:
    """Write event files, as TensorFlow and PyTorch do."""
    from tensorboardX import SummaryWriter  # only this way of reporting needs it

    writer = SummaryWriter(path, flush_secs=1)

    def report(epoch: int, accuracy: float, loss: float) -> None:
        writer.add_scalar("accuracy", accuracy, epoch)
        writer.add_scalar("loss", loss, epoch)
        writer.flush()

    return report


def to_katib(_path: str) -> Report:
    """Push through the client; nothing is parsed."""
    import katib

    return lambda epoch, accuracy, loss: katib.report_metrics({"accuracy": accuracy, "loss": loss}, step=epoch)


WAYS = {
    "stdout": to_stdout,
    "text": to_text_file,
    "json": to_json_file,
    "tensorboard": to_tensorboard,
    "push": to_katib,
}


def main() -> None:
    """Report ten epochs of a curve that a good learning rate (near 0.03) makes steep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--report", choices=WAYS, required=True)
    parser.add_argument("--path", default="", help="the file or folder to report into")
    parser.add_argument("--learning-rate", type=float, required=True)
    options = parser.parse_args()
    if options.path:
        Path(options.path).parent.mkdir(parents=True, exist_ok=True)

    report = WAYS[options.report](options.path)
    speed = math.exp(-((math.log10(options.learning_rate / 0.03)) ** 2))
    for epoch in range(1, 11):
        accuracy = 1 - math.exp(-speed * epoch / 3)
        report(epoch, accuracy, -math.log(accuracy))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
