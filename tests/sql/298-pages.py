# How each kind of list goes on and ends, with servers that keep to their documents and with ones that do not: no page is left
# out, none is asked for twice, and what cannot be followed is an error, not the end.
import json
import os
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import MOCK, Sync

t = Sync()


def page(ids, **more):
    return json.dumps({'items': [{'id': i} for i in ids], **more})


GONE = '    errors: [{when: {status: 404}, then: empty}]\n'

# name: pager, query, {what is asked: the answer}, the ids that come, or what the error says
LISTS = {
    'number_short': ('{by: number, size: 2}', '{p: "{{ page.number }}"}', {'?p=1': page([1, 2]), '?p=2': page([3])}, [1, 2, 3]),
    'number_full': ('{by: number, size: 2}', '{p: "{{ page.number }}"}', {'?p=1': page([1, 2]), '?p=2': page([])}, [1, 2]),
    'number_total': ('{by: number, start: 0, total: pages}', '{p: "{{ page.number }}"}',
                     {'?p=0': page([1, 2], pages=2), '?p=1': page([3, 4], pages=2)}, [1, 2, 3, 4]),
    'number_more': ('{by: number, more: more}', '{p: "{{ page.number }}"}',
                    {'?p=1': page([1], more=True), '?p=2': page([], more=True), '?p=3': page([2], more=False)}, [1, 2]),
    'number_bare': ('{by: number}', '{p: "{{ page.number }}"}', {'?p=1': page([1]), '?p=2': page([2]), '?p=3': page([])}, [1, 2]),
    'offset_short': ('{by: offset, size: 2}', '{o: "{{ page.offset }}", n: "{{ page.size }}"}', {'?o=0&n=2': page([1, 2]), '?o=2&n=2': page([3])}, [1, 2, 3]),
    'offset_total': ('{by: offset, total: total}', '{o: "{{ page.offset }}"}',
                     {'?o=0': page([1, 2], total=5), '?o=2': page([3], total=5), '?o=3': page([4, 5], total=5)}, [1, 2, 3, 4, 5]),
    'offset_start': ('{by: offset, start: 1, total: total}', '{o: "{{ page.offset }}"}', {'?o=1': page([1, 2], total=3), '?o=3': page([3], total=3)}, [1, 2, 3]),
    'offset_more': ('{by: offset, more: more}', '{o: "{{ page.offset }}"}', {'?o=0': page([1], more='true'), '?o=1': page([2], more='false')}, [1, 2]),
    'offset_bare': ('{by: offset}', '{o: "{{ page.offset }}"}', {'?o=0': page([1, 2]), '?o=2': page([3]), '?o=3': page([])}, [1, 2, 3]),
    'offset_nested': ('{by: offset, size: 2}', '{o: "{{ page.offset }}"}',
                      {'?o=0': '{"items": [[], [{"id": 1}]]}', '?o=2': '{"items": [[{"id": 2}, {"id": 3}, {"id": 4}], []]}', '?o=4': '{"items": [[{"id": 5}]]}'}, [1, 2, 3, 4, 5]),
    'number_nested': ('{by: number, size: 2}', '{p: "{{ page.number }}"}',
                      {'?p=1': '{"items": [null, []]}', '?p=2': '{"items": [[{"id": 1}, {"id": 2}]]}'}, [1, 2]),
    'offset_xml': ('{by: offset, size: 2}', '{o: "{{ page.offset }}"}',
                   {'?o=0': '<r><a/><a><b><id>1</id></b><b><id>2</id></b><b><id>3</id></b></a></r>', '?o=2': '<r><a><b><id>4</id></b></a></r>'}, [1, 2, 3, 4]),
    'offset_lies': ('{by: offset, more: more}', '{o: "{{ page.offset }}"}', {'?o=0': page([1], more=True), '?o=1': page([], more=True)},
                    'more follows a page without records, but not where'),
    'url_whole': ('{by: url, token: next}', '{}', {'?!p': page([1], next=f'{MOCK}/url_whole?p=2'), '?p=2': page([2], next='')}, [1, 2]),
    'url_relative': ('{by: url, token: next}', '{}', {'?!p': page([1], next='?p=2'), '?p=2': page([2], next='url_relative?p=3'), '?p=3': page([3], next=None)}, [1, 2, 3]),
    'url_more': ('{by: url, token: next, more: more}', '{}', {'?!p': page([1], next='?p=2', more=False)}, [1]),
    'url_elsewhere': ('{by: url, token: next}', '{}', {'': page([1], next='http://127.0.0.2:1/url_elsewhere?p=2')}, 'is on another host (http://127.0.0.2:1)'),
    'url_broken': ('{by: url, token: next}', '{}', {'': page([1], next='http://[::1')}, 'the next page is on another host (http://[::1)'),
    'url_again': ('{by: url, token: next}', '{}', {'': page([1], next='?p=1')}, 'again'),
    'link_relative': ('{by: link}', '{}', {'?!p': (page([1]), '<?p=2>; rel="next", <?p=9>; rel="last"'), '?p=2': (page([2]), '<?p=1>; rel="prev"')}, [1, 2]),
    'link_broken': ('{by: link}', '{}', {'': (page([1]), '<http://[::1>; rel=next')}, 'the next page is on another host (http://[::1)'),
    'last_short': ('{by: last, token: id, size: 2}', '{after: "{{ page.token }}"}', {'?!after': page([1, 2]), '?after=2': page([3])}, [1, 2, 3]),
    'last_bare': ('{by: last, token: id}', '{after: "{{ page.token }}"}', {'?!after': page([1, 2]), '?after=2': page([])}, [1, 2]),
    'last_more': ('{by: last, token: id, more: more}', '{after: "{{ page.token }}"}', {'?!after': page([1], more=True), '?after=1': page([2], more=False)}, [1, 2]),
    'last_lies': ('{by: last, token: id, more: more}', '{after: "{{ page.token }}"}', {'': page([], more=True)}, 'more follows a page without records, but not what'),
    'last_nameless': ('{by: last, token: name, size: 1}', '{after: "{{ page.token }}"}', {'': page([1])}, 'the last record has no value to page by'),
    'token_header': ('{by: token, header: x-next}', '{t: "{{ page.token }}"}', {'?!t': (page([1]), 'abc'), '?t=abc': page([2])}, [1, 2]),
    'token_more': ('{by: token, token: next, more: more}', '{t: "{{ page.token }}"}',
                   {'?!t': page([1], next='two', more=True), '?t=two': page([2], next='left', more=False)}, [1, 2]),
    'token_number': ('{by: token, token: next}', '{t: "{{ page.token }}"}', {'?!t': page([1], next=7), '?t=7': page([2], next=None)}, [1, 2]),
    'token_false': ('{by: token, token: next}', '{t: "{{ page.token }}"}', {'?!t': page([1], next='two'), '?t=two': page([2], next=False)}, [1, 2]),
    'token_written': ('{by: token, token: next}', '{t: "{{ page.token }}"}',
                      {'?!t': page([1]).replace(']', '], "next": 18446744073709551616'), '?t=18446744073709551616': page([2]).replace(']', '], "next": 1e5'),
                       '?t=1e5': page([3])}, [1, 2, 3]),
    'token_lies': ('{by: token, token: next, more: more}', '{t: "{{ page.token }}"}', {'': page([1], more=True)}, 'more follows, but not where'),
    'url_lies': ('{by: url, token: next, more: more}', '{}', {'': page([1], next=None, more='yes')}, 'more follows, but not where'),
    'link_lies': ('{by: link, more: more}', '{}', {'': page([1], more=True)}, 'more follows, but not where'),
    'link_more': ('{by: link, more: more}', '{}', {'': (page([1], more=False), '<?p=2>; rel="next"')}, [1]),
    'link_quoted': ('{by: link}', '{}', {'?!p': (page([1]), "<?p=2>; rel='next'"), '?p=2': page([2])}, [1, 2]),
    'link_bare': ('{by: link}', '{}', {'': (page([1]), '/link_bare?p=2; rel="next"')}, 'Link header cannot be read: /link_bare?p=2; rel="next"'),
    'link_odd': ('{by: link}', '{}', {'': (page([1]), '<?p=2> rel="next"')}, 'Link header cannot be read'),
    'link_gone': ('{by: link}', '{}', {'?!p': (page([1]), '<?p=2>; rel="next"')}, '(the page before said that there is more)'),
    'token_gone': ('{by: token, token: next}', '{t: "{{ page.token }}"}', {'?!t': page([1], next='two')}, 'the page before said that there is more'),
    'number_gone': ('{by: number, size: 1}', '{p: "{{ page.number }}"}', {'?p=1': page([1])}, [1]),
    'number_more_gone': ('{by: number, more: more}', '{p: "{{ page.number }}"}', {'?p=1': page([1], more=True)}, 'the page before said that there is more'),
    'last_gone': ('{by: last, token: id, size: 1}', '{after: "{{ page.token }}"}', {'?!after': page([1])}, [1]),
    'token_again': ('{by: token, token: next}', '{t: "{{ page.token }}"}', {'': page([1], next='same')}, 'again'),
    'pages_at_most': ('{by: number, max_pages: 3}', '{p: "{{ page.number }}"}', {f'?p={n}': page([n]) for n in range(1, 9)}, 'pages'),
}
definition = [f'format: 1\nintegration: lists\nconfig: {{url: {{default: "{MOCK}"}}}}\ndefaults: {{request: {{url: "{{{{ config.url }}}}"}}}}\ntables:']
answers = []
for name, (by, query, asked, _) in LISTS.items():
    rows = 'a[*].b[*]' if 'xml' in name else 'items[*][*]' if 'nested' in name else 'items[*]'
    definition.append(f'  lists_{name}:\n    request: {{path: /{name}, decode: {"xml" if "xml" in name else "json"}, query: {query}}}\n    rows: "{rows}"\n    key: [id]\n'
                      f'    page: {by}\n{GONE if "gone" in name else ""}    columns: {{id: integer}}')
    for what, answer in asked.items():
        body, header = answer if isinstance(answer, tuple) else (answer, None)
        answers.append(f'GET /{name}{what}')
        if header:
            answers.append(f'  header {"x-next" if "header" in name else "Link"}: {header}')
        answers.append(f'  body {body}')
with open('lists.yml', 'w', encoding='utf-8') as f:
    f.write('\n'.join(definition) + '\n')
t.routes('\n'.join(answers) + '\n')
t.db.execute("SELECT cq_load('lists.yml')")
for name, (_, _, asked, want) in LISTS.items():
    before = t.one('SELECT coalesce(max(id), 0) FROM cq_requests')
    try:
        got = [i for i, in t.db.execute(f'SELECT id FROM lists_{name}')]
    except Exception as e:  # noqa: BLE001: whatever it says is looked at
        got = str(e)
    if isinstance(want, str):
        t.has(name, got if isinstance(got, str) else f'no error: {got}', want)
    else:
        t.is_(name, (got, t.one(f'SELECT count(*) FROM cq_requests WHERE id > {before}')), (want, len(asked) + ('gone' in name)))
t.done()
