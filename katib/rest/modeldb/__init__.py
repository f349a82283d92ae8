"""A part of ModelDB 2's REST API: what its Python client calls to log runs and to look for them, and what lies next to it.

ModelDB's words are ours, nearly: its *workspace* is our namespace; project, experiment and run are what they are here, and each of its
experiments is one that somebody else drives. Its *attributes* are our properties, its tags are tags without a text, an *observation* is a
report of a metric at a step (ModelDB's epoch), and a *metric* is a report without one. ``docs/modeldb.md`` lists what is there.

Each module holds the operations of one kind of thing. ``asked`` is one request with its namespace, ``messages`` writes our records as
ModelDB's JSON, ``fields`` reads its requests, ``key_values`` stands between its typed values and our texts, and ``predicates`` turns its
queries into filters of ``katib.store.query``.
"""
