# Issues, commits and pull requests, incremental: each repository from its own cursor, by `since` where GitHub has it, and
# by the order of the list where it has not.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
SPEC = ('{source: github, tables: [github_issues, github_pull_requests, github_commits], '
        f'spec: {{orgs: [acme], access_token: t0ken, base_url: "{MOCK}"}}}}')
REPOS = '''GET /orgs/acme/repos
  body [{"id":1,"name":"one","full_name":"acme/one"},{"id":2,"name":"two","full_name":"acme/two"}]
'''


def day(n, hour=12):
    return f'2024-01-{n:02}T{hour:02}:00:00Z'


def list_(repo, what, *rows, need='', next_=False):
    link = f'  header Link: <@MOCK@/repos/acme/{repo}/{what}?page=2>; rel="next"\n' if next_ else ''
    return f'GET /repos/acme/{repo}/{what}{need}\n{link}  body {json.dumps(rows)}\n'


def issue(n, at):
    return {'id': n, 'number': n, 'title': f'i{n}', 'state': 'open', 'updated_at': at}


def commit(sha, at):
    return {'sha': sha, 'commit': {'message': sha, 'author': {'date': at}, 'committer': {'date': at}}}


def asked(what):
    return [r['path'].split('acme/')[1] for r in t.log() if f'/{what}' in r['path'].split('?')[0]]


def keys(table, key):
    return [k for (k,) in t.rows(f'SELECT {key} FROM {table} ORDER BY 1')]


t.routes(REPOS + list_('one', 'issues', issue(1, day(1)), issue(2, day(2))) + list_('two', 'issues') +
         list_('one', 'pulls', issue(11, day(4)), need='?page=2') +
         list_('one', 'pulls', issue(13, day(6)), issue(12, day(5)), next_=True) + list_('two', 'pulls', issue(21, day(1))) +
         list_('one', 'commits', commit('b', day(10)), commit('a', day(9))) + list_('two', 'commits'))
r = t.sync(SPEC)
t.is_('first: everything', (r['status'], r['rows']), ('success', 10))
t.is_('no since', [p for what in ('issues', 'commits') for p in asked(what) if 'since=' in p], [])
t.is_('the cursors, one for each repository', t.rows("SELECT table_name, cursor FROM cq_units WHERE cursor <> '' ORDER BY 1"),
      [('github_commits', json.dumps({'acme|1': day(10)}, separators=(',', ':'))),
       ('github_issues', json.dumps({'acme|1': day(2)}, separators=(',', ':'))),
       ('github_pull_requests', json.dumps({'acme|1': day(6), 'acme|2': day(1)}, separators=(',', ':')))])

# New, changed and late: a commit that was pushed late has an old date; the lookback of a day finds it.
t.routes(REPOS + list_('one', 'issues', issue(2, day(3)), issue(3, day(4)), need=f'?since={day(2)}') + list_('two', 'issues', issue(5, day(1))) +
         list_('one', 'pulls', issue(12, day(8)), issue(13, day(6)), issue(11, day(4)), next_=True) + list_('two', 'pulls', issue(21, day(1))) +
         list_('one', 'commits', commit('b', day(10)), commit('c', day(9, 18)), need=f'?since={day(9)}') + list_('two', 'commits'))
r = t.sync(SPEC)
t.is_('then what is new', r['status'], 'success')
t.is_('issues since', (keys('github_issues', 'id'), t.one("SELECT updated_at FROM github_issues WHERE id = 2")), ([1, 2, 3, 5], day(3)))
t.is_('a repository without issues is asked for all', [p for p in asked('issues') if p.startswith('two') and 'since' in p], [])
t.is_('pull requests: the page that reaches what is known is the last', (keys('github_pull_requests', 'id'), t.asked('*/one/pulls*')),
      ([11, 12, 13, 21], 1))
t.is_('the changed one is new', t.one('SELECT updated_at FROM github_pull_requests WHERE id = 12'), day(8))
t.is_('commits, with the one that came late', keys('github_commits', 'sha'), ['a', 'b', 'c'])
t.done()
