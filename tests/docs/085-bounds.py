# docs/security.md tells each bound of the one list in ext/base/base.h, with its value, and no other; no bound has a name elsewhere.
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests')
from shared import Tap

ROOT = Path(os.environ['CQ_ROOT'])
SIZES = {'KiB': 1 << 10, 'MiB': 1 << 20, 's': 1000, 'h': 3600000}
t = Tap()


def value(text, name):
    number, _, unit = text.replace(',', '').partition(' ')
    if name.endswith('_MIB') and unit == 'MiB':
        unit = ''
    return int(number) * (SIZES[unit] if unit else 1)


header = (ROOT / 'ext/base/base.h').read_text()
block = re.sub(r'/\*.*?\*/', '', header[header.index('enum {', header.index('the one list')):], flags=re.S)
block = block[:block.index('};')]
code = {name: eval(expression, {}) for name, expression in re.findall(r'(CQ_\w+) = ([0-9<* ]+)', block)}   # numbers and << only
told = re.findall(r'^\| (.+?) \| (.+?) \| `(CQ_\w+)` \|$', (ROOT / 'docs/security.md').read_text(), re.M)
t.is_('there is a list', len(code) > 30, True)
t.is_('each is told once', sorted(name for _, _, name in told), sorted(code))
t.is_('with its value', [(name, bound) for _, bound, name in told if value(bound, name) != code.get(name)], [])
sources = {p: p.read_text() for folder in ('ext', 'vtab') for p in (ROOT / folder).rglob('*.[ch]')}
used = set(re.findall(r'\bCQ_\w+', ''.join(re.sub(r'/\*.*?\*/', '', s, flags=re.S) for p, s in sources.items() if p.name != 'base.h')))
t.is_('each holds somewhere', sorted(set(code) - used), [])
t.is_('none stands elsewhere', sorted((str(p.relative_to(ROOT)), m) for p, s in sources.items() if p.name != 'base.h' for m in re.findall(r'\bCQ_MAX_\w+(?= =)', s)), [])
# Those that can be set have these as their defaults.
defaults = dict(re.findall(r'\{"(\w+)",\s*"(\d+)"', (ROOT / 'vtab/settings.c').read_text()))
t.is_('settings', [defaults[k] for k in ('timeout', 'connect_timeout', 'max_body', 'max_connections')],
    [str(code['CQ_TIMEOUT_MS'] // 1000), str(code['CQ_CONNECT_TIMEOUT_MS'] // 1000), str(code['CQ_MAX_BODY_MIB']), str(code['CQ_MAX_CONNECTIONS'])])
t.done()
