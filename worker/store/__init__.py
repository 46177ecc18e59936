"""What all processes share: zones, written by the keeper and read by every worker (LMDB)."""
