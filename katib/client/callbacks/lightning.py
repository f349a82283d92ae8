"""For PyTorch Lightning, by either of its names."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:
    from pytorch_lightning.callbacks import Callback

from katib.client.callbacks.progress import Chosen, Progress

if TYPE_CHECKING:
    from typing import Any

__all__ = ["KatibCallback"]


class KatibCallback(Callback):  # type: ignore[misc] # it may not be installed where types are checked
    """Report what was logged by the end of each epoch, and end the training when its trial is to end.

    Metrics are called as in ``self.log``. The epoch is the step. Of several processes the first one reports, and they end together.

    Example::

        Trainer(max_epochs=10, callbacks=[KatibCallback(["val_loss"])])

    Args:
        metrics: Which are reported, perhaps by other names; all by default.
    """

    def __init__(self, metrics: Chosen = None) -> None:
        super().__init__()
        self._progress = Progress(metrics)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002 - the library calls it so
        """Listen in Lightning's place, which knows TERM as an error only."""
        self._progress.should_stop(alone=True)

    def on_train_batch_end(self, trainer: Any, *_: object) -> None:
        """End after this batch if the trial is to end; of several processes none may end alone, so they wait for the epoch's end."""
        if trainer.world_size == 1 and self._progress.should_stop():
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002 - the library calls it so
        """Report, and end the training if it is to end."""
        if trainer.is_global_zero:
            self._progress.report(trainer.callback_metrics, trainer.current_epoch)
        if trainer.strategy.reduce_boolean_decision(self._progress.should_stop(), all=False):
            trainer.should_stop = True
