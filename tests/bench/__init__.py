"""`make bench`: shardns beside the servers that Debian packages, each on one core, asked from the other one."""
