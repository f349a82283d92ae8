"""What should happen next: ``plan(snapshot) -> Plan``. Pure: no clock, no sockets, no files."""
