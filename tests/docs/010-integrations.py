# The worked example of docs/integrations.md.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/docs')
from typed import run

run('docs/integrations.md', {'http://127.0.0.1:8080': os.environ['CQ_MOCK_URL']}, {'PARCEL_KEY': 'k'})
