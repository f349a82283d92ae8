"""The store on a relational database, by SQLAlchemy Core. In this version: SQLite."""
