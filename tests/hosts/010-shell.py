# The sqlite3 shell, as one types into it.  It reads each query to its end, so none stays half read; Ctrl-C interrupts.
# skip-sanitized: the program is not built for it
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/hosts')
import hosts


class Shell(hosts.Host):
    """Spoken to as the other programs are."""
    errors = subprocess.STDOUT
    failed = False

    def line(self):
        if hasattr(self, 'numbers'):
            return super().line()
        self.numbers = []                                          # of connections, by their names
        self.ask('.prompt "" ""', '.nullvalue NULL', '.mode list')
        return f"shell {self.ask('SELECT sqlite_version();')[0]} interrupt"

    def ask(self, *lines):
        """What is printed, without the echo; an error as text."""
        self.p.stdin.write('\n'.join(lines) + '\n.print ~end\n')
        self.p.stdin.flush()
        out = []
        while not out or out[-1] != '~end':
            out.append(self.line())
        text = '\n'.join(l for l in out[:-1] if l not in lines and not re.search('^SQLite version|^Enter ".help|^sqlite> |^.print ~end', l))
        error = re.match(r'(?:Runtime error|Error)(?: near line \d+)?: ([^\0]*?)(?: \(\d+\))?$', text)
        self.failed |= bool(error)
        return error[1] if error else text.splitlines()

    def do(self, verb, name, *rest):
        if name not in self.numbers:
            free = self.numbers.index('') if '' in self.numbers else len(self.numbers)
            self.numbers[free:free + 1] = [name]
        on = f'.connection {self.numbers.index(name)}'
        load = '.load ' + os.environ['CQ_SO'][:-3]
        if verb == 'interrupt':
            threading.Thread(target=self.stop, args=rest[:1], daemon=True).start()
        if verb == 'close':                                        # the shell closes none that it is on
            self.numbers[self.numbers.index(name)] = ''
        return self.ask(*{'open': [on, f'.open {rest[0] if rest else ""}', load], 'load': [on, load],
                          'close': ['.connection 0', f'.connection close {on[12:]}'] if on[12:] != '0' else [on, '.open :memory:']
                          }.get(verb, [on, rest[-1] + ';' if rest else '']))

    def stop(self, flag):
        while not os.path.exists(flag):
            time.sleep(0.01)
        self.p.send_signal(signal.SIGINT)

    def end(self):
        rest = super().end()
        status = rest if isinstance(rest, int) else rest[0]
        return 0 if status == 1 and self.failed else status        # as it is after any error


hosts.scenario('the shell', [os.environ['CQ_SQLITE'], '-interactive'], 'interrupt', {'COLUMNS': '9999'}, Shell)
hosts.done()
