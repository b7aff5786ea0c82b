# The statements of docs/github.md, over an API that has what they name.
import json
import os
import sys
import urllib.request

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/docs')
from typed import runs

MOCK = os.environ['CQ_MOCK_URL']
REPO = {'id': 1, 'full_name': 'sqlite/sqlite', 'owner': {'login': 'sqlite'}, 'license': {'spdx_id': 'blessing'}, 'stargazers_count': 5}
COMMIT = {'sha': 'a1', 'commit': {'message': 'm', 'committer': {'date': '2024-01-02T03:04:05Z'}}}
routes = ''.join(f'GET {path}\n  body {json.dumps(body)}\n' for path, body in (
    ('/orgs/*/repos', [REPO]), ('/users/*/repos', [REPO]), ('/repos/*/*/issues', []), ('/repos/*/*/releases', []), ('/repos/*/*/commits', [COMMIT]),
    ('/repos/*/*', REPO)))
urllib.request.urlopen(urllib.request.Request(MOCK + '/-/routes', data=routes.encode(), method='PUT')).close()
runs('docs/github.md', {}, {'GITHUB_TOKEN': 't0ken'}, [f"SELECT cq_config('github.base_url', '{MOCK}');"])
