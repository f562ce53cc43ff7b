"""A small sample of each text format of sessions, as the programs write it."""

from __future__ import annotations

__all__ = ["SAMPLES", "SANCP", "cicflowmeter"]

_CONN = (
    "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tresp"
    "_bytes\tconn_state\tlocal_orig\t"
    "missed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\ttunnel_parents\tvlan\tcommunity_id"
)
_CONNECTIONS = [
    "1068742804.020000\tCA\t10.1.1.177\t2254\t216.239.37.99\t80\ttcp\thttp\t0.180000\t76\t104\tSF\t-\t"
    "0\tShADadFf\t6\t320\t4\t272\t"
    "(empty)\t12\t1:abc",
    "1068742822.100000\tCB\t192.168.60.2\t3\t172.27.20.3\t3\ticmp\t-\t-\t-\t-\tOTH\t-\t0\t-\t1\t56\t0\t0\t(empty)\t-\t-",
    "1068742816.000000\tCC\tfe80::1\t5353\tff02::fb\t5353\tudp\tdns\t-\t-\t-\tS0\t-\t0\tD\t1\t82\t0\t0\t(empty)\t-\t-",
]
_TSV = "\n".join(
    [
        "#separator \\x09",
        "#set_separator\t,",
        "#empty_field\t(empty)",
        "#unset_field\t-",
        "#path\tconn",
        "#fields\t" + _CONN,
        *_CONNECTIONS,
        "#close\t2026-11-24-12-00-00",
        "",
    ]
)
_JSON = (
    '{"ts":1068742804.02,"uid":"CA","id.orig_h":"10.1.1.177","id.orig_p":2254,"id.resp_h":"216.239.37.99","id.resp_p":80,'
    '"proto":"tcp","service":"http","duration":0.18,"orig_bytes":76,"resp_bytes":104,"conn_state":"SF","missed_bytes":0,'
    '"history":"ShADadFf","orig_pkts":6,"orig_ip_bytes":320,"resp_pkts":4,"resp_ip_bytes":272,"vlan":12,"community_id":"1:abc"}\n'
)
_OLD = (
    "ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt,in,out,sas,das,smk,dmk,dtos,dir,nh,nhb,svln,dvln,ismc,odmc,idmc,"
    "osmc,mpls1,mpls2,mpls3,mpls4,mpls5,mpls6,mpls7,mpls8,mpls9,mpls10,cl,sl,al,ra,eng,exid,tr\n"
)
_TAIL = (
    "0,0,0,0,0,0,0,0,0.0.0.0,0.0.0.0,0,0,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,00:00:00:00:00:00,"
    + "0-0-0," * 10
    + "    0.000,    0.000,    0.000,127.0.0.1,0/0,1,2026-11-24 02:30:42.000\n"
)
_SUMMARY = "Summary\nflows,bytes,packets,avg_bps,avg_pps,avg_bpp\n2,376,7,31250,15,245\n"
_FLOWS_OLD = [
    "2003-11-13 17:00:04,2003-11-13 17:00:04,0.180,10.1.1.177,216.239.37.99,2254,80,TCP,...AP.SF,0,0,6,320,0,0,"
    + _TAIL,
    "2003-11-13 17:00:22,2003-11-13 17:00:22,0.000,192.168.60.2,172.27.20.3,0,771,ICMP,........,0,0,1,56,0,0," + _TAIL,
]
_NEW = (
    "firstSeen,duration,proto,srcAddr,srcPort,dstAddr,dstPort,packets,bytes,flows\n"
    "2003-11-13 17:00:04.020,0.180,6,10.1.1.177,2254,216.239.37.99,80,6,320,1\n"
    "2003-11-13 17:00:22.100,0.000,1,192.168.60.2,0,172.27.20.3,3.3,1,56,1\n"
)
_LONG = (
    "Date first seen             Duration     Proto      Src IP Addr:Port          Dst IP Addr:Port     F"
    "lags Tos  Packets    Bytes Flows\n"
    "2003-11-13 17:00:04.020     00:00:00.180 TCP         10.1.1.177:2254  ->    216.239.37.99:80    ."
    "..AP.SF   0        6      320     1\n"
    "2003-11-13 17:00:22.100     00:00:00.000 ICMP      192.168.60.2:0     ->      172.27.20.3:3.3   ."
    ".......   0        1       56     1\n"
    "Summary: total flows: 2, total bytes: 376, total packets: 7, avg bps: 26227, avg pps: 4, avg bpp: 746\n"
    "Time window: 2003-11-13 17:00:02 - 2003-11-13 17:00:25\n"
    "Total flows processed: 2, passed: 2, Blocks skipped: 0, Bytes read: 198304\n"
    "Sys: 0.0000s User: 0.0026s Wall: 0.0008s flows/second: 4938.8 Runtime: 0.0008s\n"
)
_LINE = (
    "2003-11-13 17:00:04.020     00:00:00.180 TCP         10.1.1.177:2254  ->    216.239.37.99:80           6      320     1\n"
    "2003-11-13 17:00:22.100     00:00:00.000 ICMP      192.168.60.2:0     ->      172.27.20.3:3.3          1       56     1\n"
)
_FORMAT_0 = (
    "Sif  SrcIPaddress     DIf  DstIPaddress      Pr SrcP DstP  Pkts  Octets\n"
    "0000 10.1.1.177       0000 216.239.37.99     06 8ce  50    6     320\n"
    "0000 192.168.60.2     0000 172.27.20.3       01 0    303   1     56\n"
)
_FORMAT_1 = (
    "Sif  SrcIPaddress     DIf  DstIPaddress      Pr SrcP DstP  Pkts  Octets\n"
    " StartTime          EndTime             Active   B/Pk Ts Fl\n\n"
    "0000 10.1.1.177       0000 216.239.37.99     06 8ce  50    6     320\n"
    " 1113.17:00:04.020  1113.17:00:04.200   0.180    53   00 1b\n\n"
    "0000 192.168.60.2     0000 172.27.20.3       01 0    303   1     56\n"
    " 1113.17:00:22.100  1113.17:00:22.100   0.000    56   00 00\n\n"
)
_FORMAT_3 = (
    "srcIP            dstIP            prot  srcPort  dstPort  octets      packets\n"
    "10.1.1.177       216.239.37.99    6     2254     80       320         6         \n"
    "192.168.60.2     172.27.20.3      1     0        771      56          1         \n"
)
_FORMAT_4 = (
    "srcIP              dstIP              prot  srcAS  dstAS  octets      packets\n"
    "10.1.1.177/24      216.239.37.99/0    6     0      0      320         6         \n"
)
_FORMAT_4_WIDE = (
    "Sif  Dif  srcIP               dstIP               prot   srcAS             dstAS             octets      packets\n"
    "0001 000a 10.1.1.177/24       216.239.37.99/0     6      0                 0                 320         6         \n"
)
_FORMAT_7 = (
    "srcIP               dstIP               router_sc        prot   srcPort         dstPort         octets      packets\n"
    "10.1.1.177/24       216.239.37.99/0     10.1.1.1         6      2254            80              320         6         \n"
)
_FORMAT_8 = (
    "srcIP               dstIP               peer_nexthop     encap i/o  prot   srcPort         dstPort         "
    "octets      packets\n"
    "10.1.1.177/24       216.239.37.99/0     10.1.1.1         14   18    6      2254            80              "
    "320         6         \n"
)
_FORMAT_9 = (
    "srcTag      dstTag      srcIP            dstIP            octets      packets\n"
    "0x00000001  0x00000002  10.1.1.177       216.239.37.99    320         6         \n"
)
_FORMAT_5 = (
    "Start             End               Sif   SrcIPaddress    SrcP  DIf   DstIPaddress    DstP    P Fl Pkts       Octets\n\n"
    "1113.17:00:04.020 1113.17:00:04.200 0     10.1.1.177      2254  0     216.239.37.99   80      6 3  6          320       \n"
    "1113.17:00:22.100 1113.17:00:22.100 0     192.168.60.2    0     0     172.27.20.3     771     1 0  1          56        \n"
)
_FORMAT_6 = (
    "  Source           Destination              Packets               Bytes\n"
    "  10.1.1.177       216.239.37.99                  6                 320\n"
)
_RA_CSV = (
    "StartTime,LastTime,Dur,Flgs,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,SrcPkts,DstPkts,SrcBytes,DstBytes,State\n"
    "1068742804.020000,1068742804.200000,0.180000, e        ,tcp,10.1.1.177,2254, ->,216.239.37.99,80,6,4,404,328,FIN\n"
    "1068742822.100000,1068742822.100000,0.000000, e        ,icmp,192.168.60.2,0x0303, ->,172.27.20.3,0x4500,1,0,70,0,URP\n"
)
_BINETFLOW = (
    "StartTime\tDur\tProto\tSrcAddr\tSport\tDir\tDstAddr\tDport\tState\tsTos\tdTos\tTotPkts\tTotBytes\tSrcBytes\tSrcPkts\tLabel\n"
    "2003/11/13 17:00:04.020000\t0.180000\ttcp\t10.1.1.177\t2254\t   ->\t216.239.37.99\t80\tFSPA_FSPA\t0\t0\t10\t732\t404\t6\tx\n"
)
_RA = (
    "         StartTime      Flgs  Proto            SrcAddr  Sport   Dir            DstAddr  Dport  TotPkts   TotBytes State \n"
    "   02:37:05.564049              man                  0      0                        0      0        0          0   STA\n"
    "   17:00:04.020000  e           tcp         10.1.1.177.2254      ->      216.239.37.99.80           10        732   FIN\n"
    "   17:00:09.000000  e s         tcp         10.1.1.177.2301      ->      216.239.37.99.82            2        108   REQ\n"
    "   17:00:22.100000  e          icmp       192.168.60.2.0x0303    ->        172.27.20.3.0x4500        1         70   URP\n"
    "   17:00:03.500000  e           udp            fe80::1.5353      ->           ff02::fb.5353          1         96   INT\n"
)
_RA_2 = (
    "13 Nov 03 12:00:02           udp    216.182.1.1.53           ->        10.1.1.241.1123  TIM\n"
    "13 Nov 03 12:00:04           tcp     10.1.1.177.2254         ?>     216.239.37.99.80    FIN\n"
)
_NFSTREAM = (
    "id,expiration_id,src_ip,src_mac,src_oui,src_port,dst_ip,dst_mac,dst_oui,dst_port,protocol,ip_version,vlan_id,tunnel_id,"
    "bidirectional_first_seen_ms,bidirectional_last_seen_ms,bidirectional_duration_ms,bidirectional_packets,"
    "bidirectional_bytes,"
    "src2dst_packets,src2dst_bytes,dst2src_packets,dst2src_bytes,application_name,requested_server_name,user_agent\n"
    "0,0,10.1.1.177,00:0c:29:aa:bb:01,00:0c:29,2254,216.239.37.99,00:0c:29:fe:fe:fe,00:0c:29,80,6,4,0,0,"
    '1068742804020,1068742804200,180,10,732,6,404,4,328,HTTP,www.example.com,"nsm/1.0 (a, ""b"")"\n'
)
_SGUIL = (
    '"Sensor","Cnx ID","Start Time","End Time","Src IP","SPort","Dst IP","DPort","Pr","S Pckts","S Bytes",'
    '"D Pckts","D Bytes"\n'
    '"gateway","1.2","2003-11-13 17:00:04","2003-11-13 17:00:05","10.1.1.177","2254","216.239.37.99","80","6","6",'
    '"76","4","104"\n'
)
SANCP = (
    "4000000000001|1068742804|1068742805|1|6|167838129|2254|3639551331|80|6|76|4|104|27|27\n"
    "4000000000002|1068742822|1068742822|0|1|3232250882|3|2887455747|3|1|28|0|0|0|0\n"
)


def cicflowmeter(year: int) -> str:
    """Return a listing as CICFlowMeter wrote it for the data set of a year, or (0) as its last version does."""
    names = {
        2017: "Flow ID, Source IP, Source Port, Destination IP, Destination Port, Protocol, Timestamp, Flow Duration,"
        " Total Fwd Packets, Total Backward Packets,Total Length of Fwd Packets, Total Length of Bwd Packets, Label",
        2018: "Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,Tot Fwd Pkts,Tot Bwd Pkts,"
        "TotLen Fwd Pkts,TotLen Bwd Pkts,Label",
        0: "Flow ID,Src IP,Src Port,Dst IP,Dst Port,Protocol,Timestamp,Flow Duration,Total Fwd Packet,Total Bwd packets,"
        "Total Length of Fwd Packet,Total Length of Bwd Packet,Label",
    }[year]
    time = {2017: "13/11/2003 5:00", 2018: "13/11/2003 05:00:04", 0: "13/11/2003 05:00:04 PM"}[year]
    flow = f"10.1.1.177-216.239.37.99-2254-80-6,10.1.1.177,2254,216.239.37.99,80,6,{time},180000,6,4,76.0,104.0,BENIGN"
    return f"{names}\n{flow}\n"


SAMPLES = {
    "conn.log": ("zeek-conn", _TSV),
    "conn.json": ("zeek-conn", _JSON),
    "conn.log.cut": ("zeek-conn", "\n".join([_CONN, *_CONNECTIONS, ""])),
    "nfdump-1.6.csv": ("nfdump-csv", _OLD + "".join(_FLOWS_OLD) + _SUMMARY),
    "nfdump-1.7.csv": ("nfdump-csv", _NEW),
    "nfdump-q.csv": ("nfdump-csv", "".join(_FLOWS_OLD)),
    "nfdump-long.txt": ("nfdump-line", _LONG),
    "nfdump-long-q.txt": ("nfdump-line", "".join(line + "\n" for line in _LONG.split("\n") if line[:2] == "20")),
    "nfdump-line-q.txt": ("nfdump-line", _LINE),
    "flow-print-0.txt": ("flow-print", _FORMAT_0),
    "flow-print-1.txt": ("flow-print", _FORMAT_1),
    "flow-print-3.txt": ("flow-print", _FORMAT_3),
    "flow-print-4.txt": ("flow-print", _FORMAT_4),
    "flow-print-4-wide.txt": ("flow-print", _FORMAT_4_WIDE),
    "flow-print-7.txt": ("flow-print", _FORMAT_7),
    "flow-print-8.txt": ("flow-print", _FORMAT_8),
    "flow-print-9.txt": ("flow-print", _FORMAT_9),
    "flow-print-5.txt": ("flow-print", _FORMAT_5),
    "flow-print-6.txt": ("flow-print", _FORMAT_6),
    "ra.csv": ("ra-csv", _RA_CSV),
    "capture.binetflow": ("ra-csv", _BINETFLOW),
    "ra.txt": ("ra-text", _RA),
    "ra2.txt": ("ra-text", _RA_2),
    "nfstream.csv": ("nfstream-csv", _NFSTREAM),
    "cic-2017.csv": ("cicflowmeter-csv", cicflowmeter(2017)),
    "cic-2018.csv": ("cicflowmeter-csv", cicflowmeter(2018)),
    "cic.csv": ("cicflowmeter-csv", cicflowmeter(0)),
    "sguil.csv": ("sancp-csv", _SGUIL),
    "stats.sancp": ("sancp-csv", SANCP),
}
