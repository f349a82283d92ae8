"""For the Trainer of Hugging Face's transformers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import TrainerCallback

from katib.client.callbacks.progress import Chosen, Progress

if TYPE_CHECKING:
    from typing import Any

__all__ = ["KatibCallback"]


class KatibCallback(TrainerCallback):  # type: ignore[misc] # it may not be installed where types are checked
    """Report what the Trainer logs, evaluations included, and end the training when its trial is to end.

    Metrics are called as the Trainer logs them: ``loss``, ``eval_loss``. Its global step is the step. Of several processes the first one
    reports, and they end together.

    Example::

        Trainer(model, arguments, train_dataset=data, callbacks=[KatibCallback(["eval_loss"])])

    Args:
        metrics: Which are reported, perhaps by other names; all by default.
    """

    def __init__(self, metrics: Chosen = None) -> None:
        self._progress = Progress(metrics)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ARG002 - the library calls it so
        """Listen from the beginning."""
        self._progress.should_stop()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: object) -> None:  # noqa: ARG002 - the library calls it so
        """Report."""
        if state.is_world_process_zero:
            self._progress.report(logs or {}, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ARG002 - the library calls it so
        """End after this step if the trial is to end; several processes ask each other where they log or evaluate."""
        if args.world_size == 1 or control.should_log or control.should_evaluate:
            self._end(args, control)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: object) -> None:  # noqa: ARG002 - the library calls it so
        """End after this epoch if the trial is to end."""
        self._end(args, control)

    def _end(self, args: Any, control: Any) -> None:
        if _any_of(args, is_own=self._progress.should_stop()):
            control.should_training_stop = True


def _any_of(args: Any, *, is_own: bool) -> bool:
    """Return whether any process was told to end: one that ends alone leaves the others waiting for it."""
    if args.world_size == 1:
        return is_own
    import torch

    told = torch.tensor(int(is_own), device=args.device)
    torch.distributed.all_reduce(told, torch.distributed.ReduceOp.MAX)
    return bool(told.item())
