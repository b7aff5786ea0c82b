# ${NAME}, ${file:...} and ${time:...} in specs: what they give where they stand, and what is wrong with them.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
os.environ.update({'ODD_A': 'it\'s: "x" #y \\z', 'ODD_J': '["rome", "oslo"]', 'ODD_N': '0123', 'ODD_E': '', 'ODD_L': 'a\nb', 'ODD_S': '-9 x '})
with open('ports.txt', 'w', encoding='utf-8') as f:
    f.write('oslo\n')


def name(expression, quote='"'):
    """The name of the source whose spec gives it by this expression."""
    seen = t.tries('SELECT cq_validate(?)', f'{{source: fleet, name: {quote}{expression}{quote}, tables: [fleet_ships]}}')
    return seen if isinstance(seen, str) else json.loads(seen[0][0])['sources'][0]['name']


AT = '2024-05-06T13:07:09Z'
for layout, want in (('2006-01-02T15:04:05Z07:00', '2024-05-06T13:07:09Z'), ('Monday, 02 January 06', 'Monday, 06 May 24'), ('Mon Jan _2 3:4:5pm', 'Mon May  6 1:7:9pm'), ('1/2/2006 03:04PM', '5/6/2024 01:07PM'),
                     ('-0700 MST', '+0000 UTC'), ('week of 2', 'week of 6'), ('no words', 'no words')):
    t.is_(f'layout {layout}', name(f'${{time:{AT}|{layout}}}'), want)
for day, layout, want in (('1969-12-31', 'Mon 2006', 'Wed 1969'), ('2024-02-29', '02 Jan', '29 Feb'), ('2024-12-01T00:30:00Z', '3PM', '12AM'), ('2024-12-01T12:30:00Z', '3pm', '12pm')):
    t.is_(f'{day} as {layout}', name(f'${{time:{day}|{layout}}}'), want)
for word in ('now', '24h', '-90m', '1h30m', '1.5h ago', '3 days ago', '10 months 3 days 4h20m ago', '2 weeks from now', '1 year ago', '1 hour 1 minute 1 second ago', '500ms', '7us', '7ns'):
    t.is_(f'a time: {word}', len(name(f'${{time:{word}}}')), len(AT))
for word in ('soonish', '1 fortnight ago', 'ago', '3 days', '-', '5', '1x', 'x days ago', '99999999999h', '999999999 years ago', '999999999 weeks ago', '2024-13-01', '3 days 4 ago'):
    t.has(f'no time: {word}', name(f'${{time:{word}}}'), 'no time: ' + word)
t.is_('in double quotes', name('${ODD_A}'), os.environ['ODD_A'])
t.is_('in single quotes', name('${ODD_A}', "'"), os.environ['ODD_A'])
t.is_('after a quote in single quotes', name("a''b # ${ODD_A}", "'"), "a'b # " + os.environ['ODD_A'])
t.is_('beside one', name("''${ODD_A}''", "'"), "'" + os.environ['ODD_A'] + "'")
t.is_('alone and unquoted', name('${ODD_A}', ''), os.environ['ODD_A'])
t.is_('what looks like a number stays text', name('${ODD_N}', ''), '0123')
t.is_('a space at the end of what begins like a number', name('${ODD_S}', ''), '-9 x ')
for word in ('~', 'null', 'Null', 'NULL', 'nullable', '~x'):
    os.environ['ODD_NONE'] = word
    t.is_(f'{word} is a text, wherever it stands', [name('${ODD_NONE}', q) for q in ('', '"', "'")], [word] * 3)
t.is_('what is empty is no value', [name('${ODD_E}', ''), name('~', '')], ['fleet', 'fleet'])
t.is_('part of a word', name('p-${ODD_N}-q', ''), 'p-0123-q')
t.is_('lines', name('${ODD_L}'), 'a\nb')
t.has('a variable that is not there', name('${NO_SUCH_ODD}'), '${NO_SUCH_ODD}: no such variable in the environment')
t.has('a file that is not there', name('${file:./nowhere.txt}'), 'nowhere.txt')
t.is_('a comment needs none', json.loads(t.one('SELECT cq_validate(?)', 'source: fleet  # ${NO_SUCH_ODD}\ntables: [fleet_ships]\n'))['sources'][0]['name'], 'fleet')
t.is_('a dollar without braces', name('a$b {c}'), 'a$b {c}')
t.routes('GET /*\n  body []\n')
r = t.sync('{source: fleet, tables: [fleet_ships], spec: {ports: ${ODD_J}}}')
t.is_('JSON alone stays JSON', (r['status'], t.asked('/rome/*'), t.asked('/oslo/*')), ('success', 1, 1))
t.done()
