# needs: moto
# The statements of docs/aws.md.
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/docs')
from typed import runs

runs('docs/aws.md', {}, {'AWS_ENDPOINT_URL': os.environ['CQ_MOTO_URL'], 'AWS_ACCESS_KEY_ID': os.environ['CQ_MOTO_KEY'],
                         'AWS_SECRET_ACCESS_KEY': os.environ['CQ_MOTO_SECRET'], 'AWS_EC2_METADATA_DISABLED': 'true'})
