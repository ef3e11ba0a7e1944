# Mail::DKIM for dkim_test.py.  mail_dkim_peer.pl TABLE [KEY DOMAIN SELECTOR]; lines on stdin, an answer each:
#	verify TAB PATH                         the result
#	sign TAB PATH TAB OUT TAB H/B TAB h=    "ok"; H, B: simple, relaxed
use strict;
use warnings;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;
use Net::DNS;

my ($table, $key, $domain, $selector) = @ARGV;
my %records;
open my $in, '<', $table or die;
while (<$in>) {
	chomp;
	my ($name, $txt) = split /\t/;
	$records{lc $name} = $txt if defined $txt;
}

package Table {
	sub new { return bless {}, shift }
	sub query {
		my ($self, $name, $type) = @_;
		my $txt = $records{lc $name};
		my $p = Net::DNS::Packet->new($name, 'TXT');
		return undef unless defined $txt;
		$p->push(answer => Net::DNS::RR->new(owner => $name, type => 'TXT', txtdata => [$txt =~ /(.{1,255})/gs]));
		return $p;
	}
	sub send { my $self = shift; return $self->query(@_) }
	sub errorstring { return 'NXDOMAIN' }
}
Mail::DKIM::DNS::resolver(Table->new);

sub slurp {
	open my $f, '<:raw', $_[0] or die;
	local $/;
	my $all = <$f>;
	return defined $all ? $all : '';
}

$| = 1;
while (<STDIN>) {
	chomp;
	my ($what, $path, $out, $method, $names) = split /\t/;
	my $letter = slurp($path);
	my $d;
	if ($what eq 'verify') {
		$d = Mail::DKIM::Verifier->new;
	} else {
		$d = Mail::DKIM::Signer->new(Algorithm => 'rsa-sha256', Method => $method, Domain => $domain,
			Selector => $selector, KeyFile => $key, Headers => $names);
	}
	eval { $d->PRINT($letter); $d->CLOSE; 1 } or do { print "died\n"; next };
	if ($what eq 'verify') {
		my $detail = $d->result_detail;
		$detail =~ s/\n/ /g;
		print "$detail\n";
	} else {
		open my $f, '>:raw', $out or die;
		my $text = $d->signature->as_string;
		$text =~ s/\r?\n/\r\n/g;
		print $f $text, "\r\n", $letter;
		close $f;
		print "ok\n";
	}
}
