# What messages and cq_requests show of a request: method and address, so that it can be found; never a secret, wherever in the
# address it stands. And who cannot be reached is not asked for a minute.
import os
import socket
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import MOCK, Odd

SECRET = 'S3cr3t+Tok/en=='
with open('bot.yml', 'w', encoding='utf-8') as f:
    f.write(f'''
format: 1
integration: bot
config:
  token: {{type: text, secret: true, optional: true}}
  tenant: {{type: text, secret: true, optional: true}}
  url: {{type: text, default: "{MOCK}"}}
defaults: {{request: {{url: "{{{{ config.url }}}}"}}}}
tables:
  bot_updates:
    request: {{path: "/bot{{{{ config.token }}}}/updates"}}
    page: {{by: link}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
  bot_things:
    request: {{path: /things, query: {{key: "{{{{ config.token }}}}"}}}}
    page: {{by: link}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
  bot_hosts:
    request: {{url: "http://{{{{ config.tenant }}}}.localhost:{{{{ config.url | regex(':([0-9]+)$') }}}}", path: /hosts}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
  bot_parts:
    parent: bot_things
    request: {{path: "/things/{{{{ parent.id }}}}/parts"}}
    rows: "[*]"
    key: [id]
    columns: {{id: integer}}
''')
t = Odd(cache_ttl='0')
t.rows("SELECT cq_load('bot.yml'), cq_config('bot.token', ?)", SECRET)


def shown():
    return [tuple(map(str, r)) for r in t.rows('SELECT path, error FROM cq_requests')]


def clean(name, seen):
    t.is_(name + ': no secret', [w for w in (SECRET, 'S3cr3t') if w in str(seen) or w in str(shown())], [])


t.routes('GET /bot*/updates?page=2\n  status 400\nGET /bot*/updates\n  header link: <@MOCK@/botS3cr3t%2BTok/en%3D%3D/updates?page=2>; rel="next"\n  body [{"id":1}]\n')
t.rows("SELECT cq_config('bot.url', ?)", MOCK)
seen = t.tries('SELECT * FROM bot_updates')
clean('in a path', seen)
t.has('the path is shown around it', shown(), '/bot***/updates')
t.has('of a page that the server named only whose it is', seen, f'GET {MOCK.rsplit("/", 1)[0]}/***: HTTP 400')
t.routes('GET /bot*/updates\n  status 400\n  body no S3cr3t+Tok/en== here\n')
seen = t.tries('SELECT * FROM bot_updates')
clean('in a message', seen)
t.has('which names method and address', seen, f'bot_updates (bot): GET {MOCK}/bot***/updates: HTTP 400: no *** here')
t.routes('GET /things\n  status 400\n')
seen = t.tries('SELECT * FROM bot_things')
clean('in a query', seen)
t.has('is shown up to it', seen, f'GET {MOCK}/things: HTTP 400')
t.routes('GET /things/7/parts\n  status 400\nGET /things/*/parts\n  body []\nGET /things\n  body [{"id":6},{"id":7}]\n')
t.has('which of many failed', t.tries('SELECT * FROM bot_parts'), f'GET {MOCK}/things/7/parts: HTTP 400')
t.routes('GET /things\n  header link: <http://elsewhere.example/things>; rel="next"\n  body [{"id":6}]\n')
t.has('a next page elsewhere', t.tries('SELECT * FROM bot_things'), 'the next page is on another host (http://elsewhere.example), where our credentials do not go')
t.routes('GET /things\n  status 302\n  header location: http://elsewhere.example/things\n')
t.has('a redirect elsewhere', t.tries('SELECT * FROM bot_things'), 'redirected to another server: http://elsewhere.example')
t.is_('is not tried again', t.asked(), 1)
with socket.create_server(('127.0.0.1', 0)) as s:
    port = s.getsockname()[1]
t.rows("SELECT cq_config('bot.url', ?)", f'http://127.0.0.1:{port}')
before = t.one('SELECT count(*) FROM cq_requests')
seen = t.tries('SELECT * FROM bot_things')
t.has('nobody there', seen, 'Connection refused' if 'refused' in str(seen) else "Couldn't connect")
t.is_('a query asks twice', t.one('SELECT count(*) FROM cq_requests') - before, 2)
t.rows("SELECT cq_config('bot.tenant', 'S3cr3t-tenant')")
seen = t.tries('SELECT * FROM bot_hosts')
clean('in a host that cannot be reached', seen)
t.has('the host is shown around it', [e for _, e in shown()][-1], '***.localhost')
t.is_('its error is one line', [e for _, e in shown() if '\n' in e], [])
t.done()
