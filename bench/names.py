"""An integration of 3,000 tables in 120 files, as the generated ones are written: `names.py FOLDER`.

Makes FOLDER/vtab/names/*.yml, about 150,000 lines, beside links to cq's own definitions, for tools/embed to pack:
build/bench/names/cq.so is cq with them instead of AWS's. The largest file, 220 tables, is what a first use may have to read. Nothing is
random, so builds repeat.
"""
import os
import sys
from pathlib import Path

SERVICES, TABLES = 120, 3000
LARGEST = (220, 90, 80, 60, 50)  # tables of the first files; the others share the rest
WORDS = ('access', 'account', 'address', 'alias', 'application', 'attachment', 'backup', 'bucket', 'certificate', 'cluster',
         'configuration', 'connection', 'container', 'creation', 'data', 'default', 'deletion', 'delivery', 'deployment',
         'description', 'desired', 'device', 'domain', 'encryption', 'endpoint', 'engine', 'event', 'execution', 'filter',
         'gateway', 'group', 'health', 'host', 'identity', 'image', 'instance', 'interface', 'job', 'kernel', 'key', 'launch',
         'license', 'listener', 'location', 'logging', 'maintenance', 'manager', 'metric', 'network', 'notification', 'option',
         'owner', 'parameter', 'platform', 'policy', 'pool', 'port', 'priority', 'profile', 'protection', 'public', 'queue',
         'region', 'replica', 'resource', 'retention', 'role', 'route', 'rule', 'schedule', 'schema', 'security', 'service',
         'session', 'snapshot', 'source', 'stack', 'stage', 'state', 'status', 'storage', 'stream', 'subnet', 'tag', 'target',
         'task', 'template', 'token', 'topic', 'traffic', 'trigger', 'type', 'update', 'user', 'value', 'version', 'volume',
         'window', 'workflow', 'zone')

ROOT = '''format: 1
integration: names
title: Names
config:
  base_url: {type: text, default: "${BENCH_URL}"}
  accounts: {type: list, default: ["000000000001"]}
  regions: {type: list, default: [eu-west-1]}
auth: {scheme: none}
clients:
  account_id: {values: "{{ config.accounts }}"}
  region: {over: [account_id], values: "{{ config.regions }}"}
defaults:
  rows_optional: true
  limits: {concurrency: 12, scope: [account_id, region, service]}
  error: {code: [__type, code], message: [message, Message]}
  errors:
    - when: {code: [Throttling, ThrottlingException, RequestLimitExceeded, TooManyRequestsException]}
      then: retry
      throttle: true
    - when: {code: [AccessDenied*, UnauthorizedOperation, NotAuthorized*]}
      then: denied
      message: the caller's policies do not allow it
    - when: {code: ["*NotFound*", "NoSuch*"]}
      then: empty
presets:
  regional:
    request:
      url: "{{ config.base_url or ('https://{{ use.host }}.{}.example' | format(client.region)) }}"
  json:
    request:
      method: POST
      safe: true
      path: /nothing
      headers: {Content-Type: "application/x-amz-json-{{ use.version }}"}
'''


def word(n):
    return WORDS[n * 7919 % len(WORDS)]


def two(n):
    """Two words and a number's worth of difference: (snake_case, CamelCase)."""
    a, b = word(n), word(n // len(WORDS) + n * 31 + 5)
    return f'{a}_{b}', a.capitalize() + b.capitalize()


def columns(seed, shapes):
    lines, said = [], {'arn', 'account_id', 'region', 'tags'}
    for i in range(27):
        snake, camel = two(seed * 37 + i)
        if snake in said:
            snake, camel = f'{snake}_{i}', f'{camel}{i}'
        said.add(snake)
        kind = ('text', 'text', 'text', 'boolean', 'text', 'timestamp', 'integer', 'json', 'text', 'list of text', 'shape')[i % 11]
        lines.append(f'      {snake}: {{type: json, path: {camel}, shape: list of {shapes[i % len(shapes)]}}}' if kind == 'shape'
                     else f'      {snake}: {kind} {camel}')
    return lines


def table(service, prefix, i, seed, shapes):
    """A list; every fifth has a detail call, every seventh lists below the one before it. Two of three are marked as generated, as of AWS's."""
    snake, camel = two(seed)
    name, before = f'{prefix}_{i:03d}_{snake}', f'{prefix}_{i - 1:03d}_{two(seed - 1)[0]}'
    child = i % 7 == 6
    lines = [f'  {name}:', f'    title: {camel} of {service}']
    if child:
        lines.append(f'    parent: {before}')
    if i % 3:
        lines.append('    generated: true')
    lines += ['    request:', f'      operation: List{camel}', f'      headers: {{X-Amz-Target: {service}.List{camel}}}',
              '      json: {NextToken: "{{ page.token }}", MaxResults: "{{ page.size }}"' +
              (', Parent: "{{ parent.arn }}"' if child else '') + '}',
              f'    rows: "{camel}s[*]"', '    page: {by: token, token: NextToken, size: 100}', '    key: [arn]', '    columns:',
              '      account_id: {from: client.account_id}', '      region: {from: client.region}',
              '      arn: {type: text, path: Arn}',
              '      tags: {type: json, value: "{{ record.Tags | to_map(\'Key\', \'Value\') }}"}'] + columns(seed, shapes)
    if i % 5 == 4:
        lines += [f'      described: {{type: json, path: {camel}, call: describe}}', '    calls:', '      describe:', '        request:',
                  f'          operation: Describe{camel}', f'          headers: {{X-Amz-Target: {service}.Describe{camel}}}',
                  '          json: {Arn: "{{ row.arn }}"}', '        record: .',
                  '        errors: [{when: {code: ["*NotFound*"]}, then: skip_row}]']
    return lines + [f'    permissions: ["{service}:List{camel}"]', f'    example: SELECT arn, region FROM {name}']


def shape(name, seed, inner):
    return [f'  {name}:'] + [f'    {two(seed + k)[1]}: {("text", "integer", "boolean", "timestamp", inner or "json")[k % 5]} '
                            f'{two(seed + k)[1]}' for k in range(8)]


def service_file(n, count):
    service = f'service{n:03d}'
    shapes = [f'{two(n * 97 + k)[1]}{k}' for k in range(4 + count // 2)]
    lines = [f'service: {service}', f'title: Service {n}', 'use:', f'  regional: {{host: {service}, service: {service}}}',
             '  json: {version: "1.1"}', 'tables:']
    for i in range(count):
        lines += table(service, f'names_{service}', i, n * 1009 + i, shapes)
    lines.append('shapes:')
    for k, name in enumerate(shapes):
        lines += shape(name, n * 97 + k * 13, shapes[k + 1] if k + 1 < len(shapes) else None)
    return '\n'.join(lines) + '\n'


def in_largest():
    """A table in the middle of the largest file."""
    i = LARGEST[0] // 2
    return f'names_service000_{i:03d}_{two(i)[0]}'


def write(folder):
    """The folder's files; returns (tables, lines, bytes)."""
    folder = folder / 'vtab' / 'names'
    folder.mkdir(parents=True, exist_ok=True)
    rest = TABLES - sum(LARGEST)
    few = SERVICES - len(LARGEST)
    texts = {'names': ROOT}
    for n in range(SERVICES):
        count = LARGEST[n] if n < len(LARGEST) else rest // few + (n - len(LARGEST) < rest % few)
        texts[f'service{n:03d}'] = service_file(n, count)
    for name, text in texts.items():
        (folder / f'{name}.yml').write_text(text)
    return TABLES, sum(t.count('\n') for t in texts.values()), sum(map(len, texts.values()))


def link_own(folder):
    """cq's own definitions, where tools/embed looks for them; not AWS's, which are what these stand for."""
    root = Path(__file__).resolve().parent.parent
    os.symlink(root / 'sql', folder / 'sql')
    for own in root.glob('vtab/*/'):
        if own.is_dir() and own.name != 'aws':
            os.symlink(own, folder / 'vtab' / own.name)


if __name__ == '__main__':
    print('names: {:,} tables, {:,} lines, {:,} bytes'.format(*write(Path(sys.argv[1]))))
    link_own(Path(sys.argv[1]))
