"""Runs what docs/embedding.md shows.

  page.run('Perl', ['perl', '-'])     the block below "### Perl", given on stdin, prints 3
  page.shown('Go', 'more/go/main.go') each line of the block stands in that program
"""
import os
import subprocess

import hosts

PAGE = open(hosts.ROOT + '/docs/embedding.md').read()


def block(heading):
    after = '\n' + PAGE.split(f'\n### {heading}\n')[1]
    return after.split('\n```', 1)[1].split('\n', 1)[1].split('\n```')[0] + '\n'


def run(heading, argv, before='', env=None):
    code = before + block(heading).replace('./build/cq', os.environ['CQ_SO'][:-3])
    p = subprocess.run(argv, input=code, capture_output=True, text=True, cwd=hosts.ROOT, env={**os.environ, **(env or {})})
    hosts.is_(f'{heading}, as the page shows it', (p.stdout, p.returncode) if p.returncode == 0 else p.stderr, ('3\n', 0))


def shown(heading, path):
    """Programs that are built: theirs is the same code."""
    text = open(hosts.HERE + path if not path.startswith('examples') else f'{hosts.ROOT}/{path}').read()
    missing = []
    for line in block(heading).splitlines():
        missing += [line] if line.strip() not in text else []
    hosts.is_(f'{heading}, as the program has it', missing, [])
