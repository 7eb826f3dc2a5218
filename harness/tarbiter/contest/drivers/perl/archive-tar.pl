# Extracts with Perl's Archive::Tar, and speaks the driver protocol around it.
use strict;
use warnings;
use Archive::Tar;
use JSON::PP;

open my $say, '>&', \*STDOUT or die $!;
open STDOUT, '>&', \*STDERR or die $!;    # libraries print
$say->autoflush(1);
print {$say} qq({"tarbiter":1}\n);

my $json = JSON::PP->new->ascii->canonical;
while (my $line = <STDIN>) {
    my $order  = $json->decode($line);
    my $answer = { id => $order->{id}, status => 'ok', warnings => [] };
    umask $order->{umask};
    local $SIG{__WARN__} = sub { push @{ $answer->{warnings} }, $_[0] if @{ $answer->{warnings} } < 20 };
    my $tar = Archive::Tar->new;
    my $done = eval {
        chdir $order->{dest} or die "chdir: $!\n";
        $tar->read($order->{archive}) && $tar->extract;
        1;
    };
    chdir '/' or die $!;
    # Its error is the last one that any object had: what came of this archive is in this object only.
    my $error = $done ? $tar->{_error} : $@;
    $answer->{names} = [ map { unpack 'H*', $_ } $tar->list_files ] if $order->{list};
    if ($error) {
        $answer->{status} = $done ? 'refused' : 'crashed';
        $answer->{class}  = $done ? 'error'   : 'die';
        $answer->{error}  = "$error";
    }
    print {$say} $json->encode($answer), "\n";
}
