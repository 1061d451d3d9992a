"""Whole-server faults: disks, hanging clients, SIGTERM. Helpers are imported as `faults.…`."""
