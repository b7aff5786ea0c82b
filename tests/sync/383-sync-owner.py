# timeout: 60
# Whose run an unfinished one is: a process is gone only where its id could be seen from here, in the same PID namespace since the
# same boot of the machine; anybody else is at work as long as his last sign of life is fresh.
import datetime
import os
import re
import subprocess
import sys

sys.path.insert(0, os.environ['CQ_ROOT'] + '/tests/sync')
from synctest import Sync

t = Sync()
t.routes('GET /*/ships?page=1\n  body [{"id":1,"name":"Fram"}]\n')
SPEC = '{source: fleet, tables: [fleet_ships]}'
gone = subprocess.Popen(['true'])
gone.wait()
group = t.sync(SPEC)['sync_group_id']
owner = t.one('SELECT owner FROM cq_syncs')
place = re.fullmatch(r'([^:@]+)@([0-9a-f-]+)/(\d+):(\d+):[^:]+', owner)
t.is_('an owner names host, boot, namespace and process', bool(place) and place[4] == str(os.getpid()))
host, boot, space = place.groups()[:3] if place else (owner.split(':')[0], '', '')
t.is_('and they are these', (boot, space), (open('/proc/sys/kernel/random/boot_id').read().strip(), re.sub(r'\D', '', os.readlink('/proc/self/ns/pid'))))


def begins(where, pid, seconds):
    """What a sync says beside a run of that owner, whose last sign of life is so old."""
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
    t.db.execute("UPDATE cq_syncs SET status = 'running', unsettled = 1, owner = ?, updated = ? WHERE sync_group_id = ?",
                 (f'{where}:{pid}:0x1-1', at.strftime('%Y-%m-%dT%H:%M:%S.%fZ'), group))
    r = t.sync(SPEC)
    t.db.execute("UPDATE cq_syncs SET status = 'success', unsettled = 0")
    return 'refused' if 'is being synced' in str(r) else r['status']


here, live, dead = f'{host}@{boot}/{space}', os.getppid(), gone.pid
for name, where, pid, seconds, wanted in (
        ('a process that is gone', here, dead, 1, 'success'),
        ('one that is at work', here, live, 1, 'refused'),
        ('one that has said nothing for minutes, but lives', here, live, 300, 'refused'),
        ('one that says nothing any more', here, live, 700, 'success'),
        ('the same id in another PID namespace of this host name', f'{host}@{boot}/{int(space or 0) + 1}', dead, 1, 'refused'),
        ('which has said nothing for minutes', f'{host}@{boot}/{int(space or 0) + 1}', dead, 150, 'success'),
        ('another machine of this host name, or this one before it was booted', f'{host}@{boot[::-1]}/{space}', dead, 1, 'refused'),
        ('an owner that an older version wrote', host, dead, 1, 'refused'),
        ('and that one minutes later', host, dead, 150, 'success'),
        ('a clock elsewhere that is ahead by minutes', f'{host}@{boot[::-1]}/{space}', dead, -600, 'refused'),
        ('one that was ahead by years', f'{host}@{boot[::-1]}/{space}', dead, -3e8, 'success')):
    t.is_(name, begins(where, pid, seconds), wanted)
t.done()
