"""Files of runs, as operations get them (``call.run_files``): as every protocol has them, with HTTP's word for one that is damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from katib.rest.faults import Fault, Refused
from katib.rpc.file_pieces import DamagedFile
from katib.rpc.run_files import RunFiles as FilesOfAll
from katib.rpc.run_files import RunFolder

if TYPE_CHECKING:
    from katib.rpc.file_pieces import FilePieces
    from katib.rpc.run_files import Records
    from katib.store.artifacts import ArtifactReader
    from katib.store.tracking.records import Run

__all__ = ["RunFiles", "RunFolder"]


class RunFiles(FilesOfAll):
    """Stores and reads files of runs; whose records, an operation says with its call."""

    @override
    async def open(
        self, records: Records, place: Run | RunFolder, path: str, *, start: int = 0, end: int | None = None
    ) -> tuple[ArtifactReader, FilePieces]:
        """Return an open file and its pieces.

        Raises:
            Refused: It is not the one that was recorded.
        """
        try:
            return await super().open(records, place, path, start=start, end=end)
        except DamagedFile as damaged:
            # Not 500, which clients try again for minutes.
            raise Refused(Fault(409, "DATA_LOSS", str(damaged))) from None
