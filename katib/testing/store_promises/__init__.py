"""The promises of ``katib.store.protocol``, one module for each of its sections; ``StoreContract`` joins them."""
