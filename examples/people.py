"""Live rows in Python.

    python3 examples/people.py

A Python built without loadable extensions has no enable_load_extension: use
Debian's python3, apsw or pysqlite3-binary there.
"""
import os
import sqlite3

db = sqlite3.connect(":memory:")
db.enable_load_extension(True)
db.load_extension(os.environ.get("CQ_SO", "./build/cq"))

for name, born in db.execute(
    "SELECT record ->> 'name', record ->> 'born' FROM file_csv(?)",
    ("examples/data/people.csv",),
):
    print(name, born)
