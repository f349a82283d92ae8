"""For Keras 3, on any of its backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras

from katib.client.callbacks.progress import Chosen, Progress

if TYPE_CHECKING:
    from typing import Any

__all__ = ["KatibCallback"]


class KatibCallback(keras.callbacks.Callback):  # type: ignore[misc] # it may not be installed where types are checked
    """Report the logs of each epoch, and end the training when its trial is to end.

    Metrics are called as in Keras' history: ``loss``, ``val_accuracy``. The epoch is the step.

    Example::

        model.fit(x, y, validation_split=0.2, callbacks=[KatibCallback(["val_loss"])])

    Args:
        metrics: Which are reported, perhaps by other names; all by default.
    """

    def __init__(self, metrics: Chosen = None) -> None:
        super().__init__()
        self._progress = Progress(metrics)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - the library calls it so
        """Listen from the beginning."""
        self._progress.should_stop()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:  # noqa: ARG002 - the library calls it so
        """End after this batch if the trial is to end; the epoch's logs are reported all the same."""
        if self._progress.should_stop():
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report, and end the training if it is to end."""
        self._progress.report(logs or {}, epoch)
        if self._progress.should_stop():
            self.model.stop_training = True
