"""What an algorithm author imports: Algorithm, EarlyStopper, Settings, History, and the registry that finds them."""
