"""HTTP beside gRPC: one server (``HttpServer``), and foreign APIs on it (MLflow's in ``mlflow``, ModelDB's in ``modeldb``).

An API is a class that has what ``operations.Api`` asks for, in a package of its own. It knows neither sockets nor threads nor tokens::

    class Example(Api):
        name = "example"                       # in the log and in metrics
        def operations(self):                  # (method, path, name, function); a path may hold {run_id} and {path:path}
            return [Operation("POST", "/api/v1/example/create", "create", create, Access.WRITE)]
        def namespace(self, headers):          # of a call; None for the caller's only one, else ``default``
            return headers.get("x-example-namespace")
        def fault(self, error):                # one of katib.errors -> Fault(status, code, message), if ``fault_of`` is not what is wanted
            return fault_of(error)
        def unknown(self, fault):              # of a path below ``prefixes`` that is none (404, 405), if its code is not wanted
            return fault
        def body(self, fault):                 # what is answered then, as JSON
            return {"code": fault.code, "message": fault.message}

    async def create(call: Call) -> Response:
        document = await call.document()       # a JSON object, bounded, strict; {} for no body
        run = await call.write(lambda tracking: tracking.create_run(...))   # committed with others; the lambda may be called twice
        seen = await call.read(lambda tracking: tracking.run(run.id))
        return answer({"id": run.id})          # NaN and infinities as NaN, Infinity: raise them out before where JSON has to be strict

``call.run_files`` stores and reads files of runs, ``call.pieces()`` are the bytes of a body that is too large for memory,
``call.query`` and ``call.path`` are what stands in the URL, ``await call.may(role)`` says what else the caller may, and ``call.base_url`` is where the caller reached us. Whoever calls has been
recognised before a function runs, and may do in the namespace what the operation's ``Access`` says. Everything of ``katib.errors`` may be
raised, ``Refused`` where HTTP has a status of its own, and anything else is answered as a fault of the server and logged.

``HttpServer(options, apis, tracking=..., ...)`` is handed a list of APIs; ``katib.cli.serving`` names them.
"""
