# timeout: 60
# Servers that repeat themselves, send elsewhere, or say that more follows and
# not what: an error that says so, soon, and no credentials for strangers.
import os
import socket
import sys
import threading
sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/fault')
from faults import MOCK, Odd

t = Odd(cache_ttl='0')
t.rows("SELECT cq_config('odd.token', 'swordfish')")


def fails(name, table, routes, part, most):
    t.routes(routes)
    t.has(name, t.tries(f'SELECT count(*) FROM odd_{table}'), part)
    t.is_(f'{name}: after at most {most} requests', t.asked() <= most or t.asked(), True)


fails('the same token', 'tokens', 'GET /tokens\n  body {"items":[{"id":1}],"next":"a"}\n', 'same page token', 3)
fails('tokens in a circle', 'tokens', '''GET /tokens?token=a
  body {"items":[{"id":2}],"next":"b"}
GET /tokens?token=b
  body {"items":[{"id":3}],"next":"c"}
GET /tokens
  body {"items":[{"id":1}],"next":"a"}
''', 'round and round', 12)
fails('the same URL', 'urls', 'GET /urls\n  body {"items":[{"id":1}],"next":"@MOCK@/urls"}\n', 'endless pages', 2)
fails('URLs in a circle', 'urls', '''GET /urls?n=1
  body {"items":[{"id":2}],"next":"@MOCK@/urls?n=2"}
GET /urls
  body {"items":[{"id":1}],"next":"@MOCK@/urls?n=1"}
''', 'endless pages', 10)
fails('the same page for ever, by number', 'numbers', 'GET /numbers\n  body [{"id":1},{"id":2},{"id":3}]\n',
      'the same page 4 times', 5)
fails('the same page for ever, by offset', 'offsets',
      'GET /offsets\n  body {"items":[{"id":1},{"id":2},{"id":3}],"more":"yes"}\n', 'the same page 4 times', 5)
fails('more without records', 'offsets', 'GET /offsets\n  body {"items":[],"more":true}\n', 'more follows', 1)
fails('more without a token is the end', 'tokens', 'GET /tokens\n  body {"items":[{"id":1}],"more":true}\n', '', 1)

# The list that finds the clients goes round as well, and says whose it is.
with open('maze.yml', 'w') as f:
    f.write(f'''format: 1
integration: maze
clients:
  hall:
    discover: {{request: {{path: /halls, query: {{token: "{{{{ page.token }}}}"}}}}, rows: "items[*]", page: {{by: token, token: next}}}}
    columns: {{hall: name}}
defaults: {{request: {{url: "{MOCK}"}}, page: {{by: none}}}}
tables:
  maze_doors: {{request: {{path: "/{{{{ client.hall }}}}"}}, rows: "[*]", key: [id], columns: {{id: integer}}}}
''')
t.rows("SELECT cq_load('maze.yml')")
t.routes('GET /halls\n  body {"items":[{"name":"a"}],"next":"a"}\n')
t.has('the list of clients', t.tries('SELECT * FROM maze_doors'), 'hall: endless pages')

# Another host: what comes there, and with what?
seen = []
other = socket.create_server(('127.0.0.1', 0))
OTHER = f'http://127.0.0.1:{other.getsockname()[1]}'


def listen():
    while True:
        c, _ = other.accept()
        seen.append(c.recv(65536))
        c.close()


threading.Thread(target=listen, daemon=True).start()
fails('the next URL is on another host', 'urls', f'GET /urls\n  body {{"items":[{{"id":1}}],"next":"{OTHER}/urls"}}\n',
      'another host', 1)
fails('Link leads to another host', 'links', f'GET /links\n  header link: <{OTHER}/links>; rel="next"\n  body [{{"id":1}}]\n',
      'another host', 1)
fails('the same host under another name', 'urls',
      'GET /urls\n  body {"items":[{"id":1}],"next":"//localhost:' + MOCK.split(':')[2].split('/')[0] + '/urls"}\n',
      'another host', 1)
t.routes(f'GET /list\n  status 302\n  header location: {OTHER}/list\n')
t.has('a redirect to another host', t.tries('SELECT * FROM odd_list_once'), 'redirected to another server')
t.is_('nobody came there', seen, [])
t.routes('GET /list\n  status 302\n  header location: @MOCK@/list\n')
t.has('redirects in a loop', t.tries('SELECT * FROM odd_list_once'), 'redirected too often')
t.is_('five were followed', t.asked(), 6)
t.routes('GET /list?to\n  body [{"id":9}]\nGET /list\n  status 307\n  header location: @MOCK@/list?to=x\n')
t.is_('a redirect on the same host', t.tries('SELECT id FROM odd_list'), [(9,)])
t.is_('with our credentials', {e['headers'].get('authorization') for e in t.log()}, {'Bearer swordfish'})
for where in ('file:///etc/passwd', 'gopher://127.0.0.1/', 'http://user:pw@127.0.0.1/', '//', 'http:///'):
    t.routes(f'GET /list\n  status 302\n  header location: {where}\n')
    t.has(f'a redirect to {where}', t.tries('SELECT * FROM odd_list_once'), 'redirected to')

# Answers that are not what they say.
t.is_('the same rows twice are two rows', (t.routes('GET /list\n  body [{"id":1},{"id":1}]\n'),
                                           t.tries('SELECT id FROM odd_list'))[1], [(1,), (1,)])
for name, body in (('HTML', '<html>sorry</html>'), ('a text', 'sorry'), ('text behind the end', '[{"id":1}] x'),
                   ('two documents', '[{"id":1}][{"id":2}]'), ('a list in a list', '[[{"id":1}]'),
                   ('deep nesting', '[{"id":1,"x":' + '[' * 1100 + ']' * 1100 + '}]')):
    t.routes(f'GET /list\n  body {body}\n')
    t.has(f'{name} instead of rows', t.tries('SELECT id FROM odd_list'), 'odd_list')
t.routes('GET /xml\n  body <!DOCTYPE r [<!ENTITY a "b">]><r><items/></r>\n')
t.has('a document type', t.tries('SELECT id FROM odd_xml'), 'document type')
t.done()
