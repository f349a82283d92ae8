"""A server of the experiments' API in this process, on a loop of its own: what tests ask, stop and start anew."""

import asyncio
import threading

from katib.rpc.experiments_server import ExperimentsServer, ExperimentsServerOptions
from katib.rpc.grpc_server import Listening


class ServedExperiments:
    """For as long as it is open (``with``).

    Attributes:
        address: ``HOST:PORT``; one that is started anew answers where it did.
    """

    def __init__(self, experiments, *, authenticator=None, address="127.0.0.1:0", tls=None, **options):
        self._arguments = (experiments, authenticator)
        self._options = options
        self._tls = tls
        self.address = address

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._failure = None

        async def serve():
            experiments, authenticator = self._arguments
            listening = Listening((self.address,), tls=self._tls, grace=0)
            options = ExperimentsServerOptions(listening, **self._options)
            self._ending = asyncio.Event()
            try:
                async with ExperimentsServer(options, experiments, authenticator=authenticator) as server:
                    self.address = server.addresses[0]
                    ready.set()
                    await self._ending.wait()
                # The calls that were cut off come to their end too.
                others = asyncio.all_tasks() - {asyncio.current_task()}
                if others:
                    await asyncio.wait(others, timeout=10)
            except BaseException as error:
                self._failure = error
                ready.set()
                raise

        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(serve(),))
        self._thread.start()
        assert ready.wait(30)
        if self._failure is not None:
            self._thread.join(30)
            raise self._failure

    def stop(self):
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ending.set)
            self._thread.join(30)
            assert not self._thread.is_alive()
            self._loop.close()
