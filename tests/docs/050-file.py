# The examples of docs/file.md.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/docs')
from typed import run

os.symlink(os.environ['CQ_ROOT'] + '/examples', 'examples')
run('docs/file.md', {})
