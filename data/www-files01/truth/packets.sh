#!/usr/bin/env bash
# Makes packets.tsv.gz: one row a frame of staged.pcap, as tshark 4.0.17 decodes it.
#
# Every frame is decoded by itself (no reassembly of IP fragments), names are never looked up, no user's settings are
# read, and the outermost occurrence of a field is taken: the capture holds no tunnel, so that is the innermost too.
# Times are tshark's own text with nine digits, so nanoseconds are not rounded.
set -euo pipefail
cd "$(dirname "$0")"

fields=(
  frame.number frame.time_epoch frame.len frame.cap_len frame.protocols
  eth.src eth.dst eth.type vlan.id
  ip.src ip.dst ip.proto ip.len ip.ttl ip.id ip.flags.mf ip.frag_offset
  ipv6.src ipv6.dst ipv6.nxt ipv6.plen ipv6.hlim
  arp.opcode arp.src.proto_ipv4 arp.dst.proto_ipv4
  tcp.stream tcp.srcport tcp.dstport tcp.len tcp.flags tcp.seq_raw tcp.ack_raw tcp.window_size_value
  udp.stream udp.srcport udp.dstport udp.length
  icmp.type icmp.code icmpv6.type icmpv6.code
  tcp.analysis.retransmission tcp.analysis.fast_retransmission tcp.analysis.spurious_retransmission
  tcp.analysis.out_of_order tcp.analysis.lost_segment tcp.analysis.reused_ports
)
arguments=()
for field in "${fields[@]}"; do arguments+=(-e "$field"); done

settings=$(mktemp -d)
trap 'rm -r "$settings"' EXIT
WIRESHARK_CONFIG_DIR=$settings tshark -n -r ../evidence/staged.pcap -o ip.defragment:FALSE \
  -T fields -E header=y -E separator=/t -E occurrence=f "${arguments[@]}" | gzip -9n > packets.tsv.gz
