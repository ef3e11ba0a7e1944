#!/usr/bin/perl
# mail_spf.pl — what Mail::SPF says about the zones and questions that spf_test.py gives it as JSON.
use strict;
use warnings;
use JSON::PP;
use Mail::SPF;
use Net::DNS;

package Zone;

sub new { my ($class, $zone) = @_; return bless { zone => $zone }, $class }
sub errorstring { return $_[0]->{error} }

sub rr {
    my ($name, $type, $value) = @_;
    return Net::DNS::RR->new(owner => $name, type => $type, ttl => 60,
        $type eq "TXT" ? (txtdata => $value)
        : $type eq "MX" ? (preference => $value->[0], exchange => $value->[1])
        : $type eq "PTR" ? (ptrdname => $value)
        : $type eq "CNAME" ? (cname => $value)
        : (address => $value));
}

# A question, answered as a resolver does: with the CNAMEs on the way.
sub send {
    my ($self, $name, $type) = @_;
    my $packet = Net::DNS::Packet->new($name, $type);
    my $at = lc $name;
    my $seen = 0;

    $self->{error} = "";

    $at =~ s/\.$//;
    $packet->header->qr(1);
    while (1) {
        my $records = $self->{zone}{$at};
        my @found = grep { $_->[0] eq $type } @{ $records || [] };
        if (!$records) {
            $packet->header->rcode("NXDOMAIN");
            last;
        }
        if (!@found && grep { $_->[0] eq "TIMEOUT" } @$records) {
            $self->{error} = "query timed out";
            return undef;
        }
        $packet->push(answer => rr($at, $type, $_->[1])) for @found;
        last if @found;
        my ($alias) = grep { $_->[0] eq "CNAME" } @$records;
        last if !$alias || $seen++ > 8;
        $packet->push(answer => rr($at, "CNAME", $alias->[1]));
        $at = lc $alias->[1];
    }
    return $packet;
}

package main;

my $in = decode_json(do { local $/; <STDIN> });
my $server = Mail::SPF::Server->new(dns_resolver => Zone->new($in->{zone}), query_rr_types => 1, hostname => "receiver.example",
    default_authority_explanation => "");

for my $q (@{ $in->{questions} }) {
    my ($ip, $helo, $sender) = @$q;
    my $result = eval {
        my $request = Mail::SPF::Request->new(versions => [1], scope => "mfrom", identity => $sender, ip_address => $ip,
            helo_identity => $helo);
        my $r = $server->process($request);
        my $why = $r->is_code("fail") ? $r->authority_explanation : "";
        [$r->code, "" . ($why // ""), "" . $r->text];
    };
    print encode_json($result || ["died", "", "$@"]), "\n";
}
