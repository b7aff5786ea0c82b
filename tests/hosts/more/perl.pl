# A host: Perl's DBD::SQLite.  It has no call that interrupts; a progress handler ends a query.
use strict;
use warnings;
use DBI;
use DBD::SQLite;

$| = 1;
my (%connections, %queries);

sub load { $_[0]->sqlite_load_extension(substr $ENV{CQ_SO}, 0, -3) }

sub connect_to {
  my $db = DBI->connect("dbi:SQLite:dbname=$_[0]", '', '', { RaiseError => 1, PrintError => 0 });
  $db->sqlite_enable_load_extension(1);
  load($db);
  return $db;
}

sub show { map { '= ' . join('|', map { defined $_ ? $_ : 'NULL' } @$_) } @_ }
sub rows { my ($db, $sql) = @_; my $q = $db->prepare($sql); $q->execute; my @r = show(@{ $q->fetchall_arrayref }); @r }

my %commands = (
  open  => sub { $connections{ $_[0] } = connect_to($_[1]); () },
  load  => sub { load($connections{ $_[0] }); () },
  rows  => sub { rows($connections{ $_[0] }, $_[1]) },
  half  => sub { my $q = $queries{ $_[0] } = $connections{ $_[0] }->prepare($_[1]); $q->execute; show($q->fetchrow_arrayref) },
  close => sub { (delete $connections{ $_[0] })->disconnect; delete $queries{ $_[0] }; () },
  interrupt => sub {
    my ($name, $file, $sql) = @_;
    my $db = $connections{$name};
    $db->sqlite_progress_handler(1000, sub { -e $file ? 1 : 0 });
    my @r = eval { rows($db, $sql) };
    my $error = $@;
    $db->sqlite_progress_handler(1000, undef);
    die $error if $error;
    return @r;
  },
);

print 'perl ', connect_to(':memory:')->{sqlite_version}, " half progress\n";
while (my $line = <STDIN>) {
  chomp $line;
  my ($verb, @a) = split /\t/, $line;
  my @r = eval { $commands{$verb}->(@a) };
  if (my $e = $@) {
    $e =~ s/^DBD::SQLite::\w+ \w+ failed: //;
    $e =~ s/ at \S+ line \d+(, <STDIN> line \d+)?\.\n\z//;
    $e =~ s/\n/\\n/g;
    print "error $e\n";
  } else {
    print map("$_\n", @r), "ok\n";
  }
}
