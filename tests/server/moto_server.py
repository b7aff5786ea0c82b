"""The AWS server of the tests and the demo: moto, filled, and as strict as AWS.

  moto_server.py [--small] [--out FILE] [--port N] [--accounts N] [--regions a,b] [--made a,b]

Serves 127.0.0.1 until SIGTERM. When ready it prints one line of JSON (and
writes the same to FILE): url, accounts, regions, external_id, roles, and the
users admin, reader, some (may read, but not everything) and denied, each with
access_key_id and secret_access_key. --small is the demo's: two accounts, two
regions, a few of each resource.
"""
import argparse
import json
import logging
import os
import signal
import sys
import threading

ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ap.add_argument('--port', type=int, default=0)
ap.add_argument('--out')
ap.add_argument('--accounts', type=int)
ap.add_argument('--regions')
ap.add_argument('--scale', type=float)
ap.add_argument('--seed', type=int, default=7)
ap.add_argument('--small', action='store_true')
ap.add_argument('--made', help='instead: one account and region, with what can be made of these services, comma-separated')
args = ap.parse_args()

for name in [n for n in os.environ if n.startswith(('AWS_', 'MOTO_'))]:
    del os.environ[name]                                  # nothing of the caller's may leak in
os.environ.update(AWS_ACCESS_KEY_ID='fill', AWS_SECRET_ACCESS_KEY='fill', AWS_EC2_METADATA_DISABLED='true',
                  AWS_CONFIG_FILE='/dev/null', AWS_SHARED_CREDENTIALS_FILE='/dev/null',
                  MOTO_EC2_LOAD_DEFAULT_AMIS='false')     # else 1,301 images per account and region

from moto import settings                                 # noqa: E402  moto reads the environment when imported
from moto.server import ThreadedMotoServer                # noqa: E402

import aws_auth                                          # noqa: E402
import aws_create                                        # noqa: E402
import aws_fill                                          # noqa: E402
import aws_slips                                         # noqa: E402


def main():
    stop = threading.Event()
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: os._exit(0))
    regions = (args.regions or ('us-east-1,eu-west-1' if args.small else 'us-east-1,us-west-2,eu-west-1')).split(',')
    if args.made:
        aws_slips.install()
        info = aws_create.fill(args.made.split(','), regions[0], args.seed)
    else:
        info = aws_fill.fill(regions, args.accounts or (2 if args.small else 3),
                             args.scale or (0.05 if args.small else 1.0), args.seed)
    aws_auth.install()
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    logging.getLogger('werkzeug').setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address='127.0.0.1', port=args.port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    info = {'url': f'http://{host}:{port}', **info}
    if args.out:
        with open(args.out, 'w') as f:
            json.dump(info, f, indent=1)
    print(json.dumps(info))
    sys.stdout.flush()
    stop.wait()


main()
