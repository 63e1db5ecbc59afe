"""The reader of tables as it was, against which the present one is compared."""
