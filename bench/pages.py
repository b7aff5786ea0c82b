"""The page files that the benchmark's server gives, made once per run.

A function a kind of record; each returns the bytes of a record on average.
Texts repeat every 1,000 records, so that a million are quickly made; ids never
do, since keys depend on them.
"""
import json
import random

PER_PAGE = 100
DISTINCT = 1000
WORDS = 'fast small library for reading writing cloud tables data stream parser in pure safe simple'.split()


def compact(value):
    return json.dumps(value, separators=(',', ':'), ensure_ascii=False)


def repository(i, rnd):
    """As GitHub lists it, cut to 24 keys; about 1.95 kB. Its id is not here: see number()."""
    owner, name = f'owner-{i % 997}', f'repository-{i + 1000000}'
    api, web = f'https://api.github.com/repos/{owner}/{name}', f'https://github.com/{owner}/{name}'
    user = f'https://api.github.com/users/{owner}'
    return {
        'node_id': f'MDEwOlJlcG9zaXRvcnkx{i:09d}', 'name': name, 'full_name': f'{owner}/{name}', 'private': i % 7 == 0,
        'owner': {'login': owner, 'id': 1000 + i % 997, 'node_id': f'MDQ6VXNlcjE{i % 997:04d}',
                  'avatar_url': f'https://avatars.githubusercontent.com/u/{1000 + i % 997}?v=4', 'url': user,
                  'html_url': f'https://github.com/{owner}', 'followers_url': user + '/followers',
                  'following_url': user + '/following{/other_user}', 'gists_url': user + '/gists{/gist_id}',
                  'starred_url': user + '/starred{/owner}{/repo}', 'subscriptions_url': user + '/subscriptions',
                  'organizations_url': user + '/orgs', 'repos_url': user + '/repos',
                  'events_url': user + '/events{/privacy}', 'received_events_url': user + '/received_events',
                  'gravatar_id': '', 'type': 'User', 'site_admin': False},
        'html_url': web,
        'description': None if i % 11 == 0 else ' '.join(rnd.choices(WORDS, k=9)) + (' é' if i % 5 == 0 else ''),
        'fork': i % 3 == 0, 'url': api, 'archive_url': api + '/{archive_format}{/ref}',
        'branches_url': api + '/branches{/branch}', 'clone_url': web + '.git', 'hooks_url': api + '/hooks',
        'issues_url': api + '/issues{/number}', 'created_at': f'20{10 + i % 14}-0{1 + i % 9}-1{i % 10}T08:00:{i % 60:02d}Z',
        'updated_at': f'2024-0{1 + i % 9}-2{i % 9}T10:20:{i % 60:02d}Z', 'size': rnd.randrange(10 ** 6),
        'stargazers_count': rnd.randrange(10 ** 5), 'language': ('C', 'Go', 'Rust', 'Python', None)[i % 5],
        'topics': rnd.sample(WORDS, 4),
        'license': {'key': 'apache-2.0', 'name': 'Apache License 2.0', 'spdx_id': 'Apache-2.0'},
        'permissions': {'admin': False, 'push': False, 'pull': True}, 'default_branch': 'main',
    }


def wide_record(i, rnd):
    """200 members: texts, integers, reals and truth values in turn."""
    kinds = (lambda: rnd.choice(WORDS) + str(rnd.randrange(10 ** 6)), lambda: rnd.randrange(10 ** 9),
             lambda: round(rnd.random() * 1000, 3), lambda: rnd.random() < 0.5)
    return {f'{WORDS[c % len(WORDS)]}_{c}': kinds[c % 4]() for c in range(200)}


def document(i, rnd):
    """One JSON cell of about 64 kB beside a name."""
    return {'name': f'document-{i}', 'document': {
        'statement': [{'sid': f'statement-{k}', 'effect': 'Allow', 'action': rnd.sample(WORDS, 6),
                       'resource': f'arn:aws:s3:::{rnd.choice(WORDS)}-{k}/*', 'weight': rnd.randrange(1000)}
                      for k in range(400)]}}


def child(i, rnd):
    return {'name': f'child-{i}', 'state': ('open', 'closed')[i % 2], 'title': ' '.join(rnd.choices(WORDS, k=8)),
            'author': {'login': f'owner-{i % 97}', 'id': i % 97}, 'comments': rnd.randrange(50),
            'created_at': f'2024-0{1 + i % 9}-1{i % 10}T08:00:00Z', 'labels': rnd.sample(WORDS, 2)}


def resource(i, rnd):
    return {'name': f'resource-{i}', 'kind': rnd.choice(WORDS), 'state': ('running', 'stopped')[i % 2],
            'size': rnd.randrange(1000), 'created_at': f'2024-0{1 + i % 9}-1{i % 10}T08:00:00Z',
            'tags': {'team': rnd.choice(WORDS), 'stage': 'test'}}


def number(records, first):
    """A page of records that lack their id, with ids from `first` on."""
    return ('[' + ','.join(f'{{"id":{first + k},{text}' for k, text in enumerate(records)) + ']').encode()


def write_json(folder, make, rows, per_page=PER_PAGE, distinct=DISTINCT):
    """Pages 1.json, 2.json, ... of `rows` records. Returns their bytes."""
    folder.mkdir(parents=True)
    rnd = random.Random(1)
    texts = [compact(make(i, rnd))[1:] for i in range(min(rows, distinct))]
    size = 0
    for page, first in enumerate(range(0, rows, per_page), 1):
        take = min(per_page, rows - first)
        at = first % len(texts)
        page_bytes = number(texts[at:at + take], 10_000_000 + first)
        size += (folder / f'{page}.json').write_bytes(page_bytes)
    return size


def write_xml(folder, rows):
    """The repositories' twelve columns and as much again that nobody wants, as XML."""
    folder.mkdir(parents=True)
    rnd = random.Random(1)
    size = 0

    def member(key, value):
        if value is None:
            return ''
        if isinstance(value, list):
            return f'<{key}>' + ''.join(f'<item>{v}</item>' for v in value) + f'</{key}>'
        if isinstance(value, dict):
            return f'<{key}>' + ''.join(member(k, v) for k, v in value.items()) + f'</{key}>'
        return f'<{key}>{str(value).lower() if isinstance(value, bool) else value}</{key}>'

    for page, first in enumerate(range(0, rows, PER_PAGE), 1):
        items = ''.join(member('item', {'id': 10_000_000 + i, **repository(i, rnd)})
                        for i in range(first, min(rows, first + PER_PAGE)))
        text = f'<?xml version="1.0"?>\n<listing><items>{items}</items></listing>'
        size += (folder / f'{page}.xml').write_bytes(text.encode())
    return size
