"""What is special about each database: how it is reached, how a transaction begins, what its errors mean. One module each."""
