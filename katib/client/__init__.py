"""What people write Python with: ``KatibClient``, ``tune``, ``search``, notebook views, and callbacks for training libraries."""
