"""Maps the four top-level folders onto the import package `shardns`."""

from setuptools import find_packages, setup

TOP = ("master", "worker", "plugins", "config")
setup(packages=[f"shardns.{p}" for t in TOP for p in (t, *(f"{t}.{s}" for s in find_packages(t)))])
