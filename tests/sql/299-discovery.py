# Who is asked, where a server says so itself: clients that are listed and identified, by servers that answer as they should and
# by ones that answer nothing, something else, or not at all.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()
with open('camp.yml', 'w', encoding='utf-8') as f:
    f.write(f'''
format: 1
integration: camp
config: {{url: {{default: "{MOCK}"}}, sites: {{type: list, optional: true}}, tents: {{type: list, optional: true}}, tries: {{type: integer, default: 10}}}}
clients:
  site:
    values: "{{{{ config.sites }}}}"
    discover: {{request: {{path: /sites}}, rows: "[*]"}}
    identify: {{request: {{path: "/site/{{{{ client.site }}}}"}}, record: "."}}
    columns: {{site: code, name: name}}
    attributes: [note]
  tent:
    over: [site]
    values: "{{{{ config.tents }}}}"
    discover: {{request: {{path: "/site/{{{{ client.site }}}}/tents"}}, rows: "[*]"}}
    columns: {{tent: nr, open: open}}
    when: "{{{{ client.open != 'no' }}}}"
    id: tent
defaults: {{request: {{url: "{{{{ config.url }}}}"}}, page: {{by: none}}, limits: {{retries: "{{{{ config.tries }}}}", max_pause: 0}}, errors: [{{when: {{status: 500}}, then: fail}}]}}
tables:
  camp_guests:
    request: {{path: "/guests/{{{{ client.site }}}}/{{{{ client.tent }}}}"}}
    rows: "[*]"
    key: [site, tent, id]
    columns: {{site: {{from: client.site}}, tent: {{from: client.tent}}, name: {{from: client.name}}, id: integer}}
''')
t.db.execute("SELECT cq_load('camp.yml')")
SITES = 'GET /sites\n  body [{"code":"n"},{"code":"s"}]\n'
WHO = 'GET /site/n\n  body {"code":"n","name":"north"}\nGET /site/s\n  body {"code":"s","name":"south"}\n'
TENTS = 'GET /site/n/tents\n  body [{"nr":"1","open":"yes"},{"nr":"2","open":"no"}]\nGET /site/s/tents\n  body [{"nr":"3"}]\n'
GUESTS = 'GET /guests/*\n  body [{"id":1}]\n'
ALL = 'SELECT site, tent, name FROM camp_guests ORDER BY 1, 2'


def guests(routes, sites=None, tents=None):
    """What the table says with these answers and settings: rows, or the error."""
    t.routes(routes)
    for key, value in (('sites', sites), ('tents', tents)):
        t.db.execute(f"SELECT cq_config('camp.{key}', ?)", (None if value is None else json.dumps(value),))
    t.db.execute("SELECT cq_load('camp.yml')")  # what was found is forgotten
    try:
        return t.rows(ALL)
    except Exception as e:  # noqa: BLE001: whatever it says is looked at
        return str(e)


both = [('n', '1', 'north'), ('s', '3', 'south')]
t.is_('listed, identified, and kept where `when` says so', guests(SITES + WHO + TENTS + GUESTS), both)
t.has('an answer of another form lists nobody', guests('GET /tents\n  body []\nGET /site/n/tents\n  body {"message":"maintenance"}\n' + WHO + GUESTS, ['n']), 'expects a list')
t.is_('whoever is listed twice is asked once', guests('GET /sites\n  body [{"code":"n"},{"code":"n"}]\n' + WHO + TENTS + GUESTS), both[:1])
t.is_('nobody', guests('GET /sites\n  body []\n'), [])
t.is_('numbers as names', guests('GET /sites\n  body [{"code":7}]\nGET /site/7\n  body {"code":7,"name":"seven"}\n'
                                'GET /site/7/tents\n  body [{"nr":1},{"nr":2.5}]\n' + GUESTS), [('7', '1', 'seven'), ('7', '2.5', 'seven')])
for what, answer, said in (('an object where a list is due', '  body {"sites": []}', "the rows' path expects a list"), ('no JSON', '  body <html>', 'answer is not JSON'),
                           ('a failing server', '  status 500\n  body {}', 'site (camp): GET'), ('forbidden', '  status 403\n  body {"message":"no"}', 'HTTP 403: no'),
                           ('not there', '  status 404\n  body {"message":"none"}', 'HTTP 404: none'),
                           ('records without a name', '  body [{"code":null},{"name":"x"},5,null]', 'path has no value: /site/{{ client.site }}')):
    t.has(f'{what} is no empty list', str(guests('GET /sites\n' + answer + '\n' + WHO + TENTS + GUESTS)), said)
NORTH = 'GET /site/n\n  body {"code":"n","name":"north"}\n'
t.has('one that may not be identified is told', str(guests(SITES + NORTH + 'GET /site/s\n  status 403\n  body {}\n' + TENTS + GUESTS)), '/site/s: HTTP 403')
t.has('one of whom nothing is said as well', str(guests(SITES + NORTH + 'GET /site/s\n  body null\n' + TENTS + GUESTS)), 'site: the identifying request had no record')
t.has('and one whose own list fails, by its name', str(guests(SITES + WHO + 'GET /site/n/tents\n  body [{"nr":"1"}]\nGET /site/s/tents\n  status 500\n  body {}\n' + GUESTS)),
      'tent (s): GET')
t.is_('those that are configured are not listed', guests(WHO + TENTS + GUESTS, sites=['s']), both[1:])
t.is_('a pattern picks of those that are listed', guests(SITES + WHO + TENTS + GUESTS, sites=['s*']), both[1:])
t.has('one that picks none is told', str(guests(SITES + WHO + TENTS + GUESTS, sites=['x*'])), 'camp: no site matches "x*"')
t.is_('maps', guests(WHO + TENTS + GUESTS, sites=[{'site': 'n', 'note': 'k'}]), both[:1])
t.has('maps with another word', str(guests(WHO + TENTS + GUESTS, sites=[{'site': 'n', 'nots': 'k'}])), 'site: unknown key "nots"\nhint: did you mean "note"?')
t.has('lists', str(guests(WHO + TENTS + GUESTS, sites=[['n']])), 'site: expected maps')
t.is_('values for all of those above', guests(SITES + WHO + GUESTS, tents=['9', '8']), [('n', '8', 'north'), ('n', '9', 'north'), ('s', '8', 'south'), ('s', '9', 'south')])
t.is_('values and a pattern', guests(SITES + WHO + TENTS + GUESTS, tents=['1', '3*']), [('n', '1', 'north'), ('s', '1', 'south'), ('s', '3', 'south')])
for tries in (0, 2):
    t.db.execute("SELECT cq_config('camp.tries', ?)", (tries,))
    t.has('a list that is busy', str(guests('GET /sites\n  status 503\n  body {}\n')), 'HTTP 503')
    t.is_(f'is tried as often as the definition says: {tries}', t.asked('/sites'), tries + 1)
t.done()
