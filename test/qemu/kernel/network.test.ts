/** Networks inside a container, as Docker, k3s and meshes make them: interfaces, packet filters, address translation. */

import { describe, expect, test } from 'vitest'
import { booted } from '../lib/boot.ts'
import { type Checks, hostPrograms, shellChecks, WENT_WELL, xtablesPlugins } from '../lib/host-programs.ts'

/**
 * For two namespaces, `left` and `right`, on a bridge of the container's: 10.1.0.1 and 10.1.0.2. A processor without
 * KVM takes half a second to start a program with its libraries, so there are few of them: busybox is static, and `ip`
 * reads its commands.
 */
const PRELUDE = `
ip() { /host/ip "$@"; }
inside() { name=$1; shift; /bin/busybox nsenter --net=/run/netns/$name "$@"; }
# One packet there and back.
reach() { inside $1 /bin/busybox ping -c 1 -W \${3-10} $2; }
# An address of IPv6 is usable at once.
at() { printf 'addr add %s dev %s nodad\nlink set %s up\n' $3 $2 $2 | ip -n $1 -batch -; }
`

/** Tunnels between the two: how `ip link` makes one, towards the other side's address. */
const TUNNELS: Readonly<Record<string, string>> = {
  vxlan: 'type vxlan id 42 dstport 4789 remote',
  geneve: 'type geneve id 42 remote',
  gre: 'type gre remote',
  gretap: 'type gretap remote',
  ipip: 'type ipip remote',
}

/** A packet goes from one address of the tunnel to the other. */
const tunnel = (name: string, how: string): Checks => ({
  [`${name} carries packets`]: `
ip -n left link add tunnel ${how} 10.1.0.2 ${how.endsWith('id 42 remote') ? '' : 'local 10.1.0.1'}
ip -n right link add tunnel ${how} 10.1.0.1 ${how.endsWith('id 42 remote') ? '' : 'local 10.1.0.2'}
at left tunnel 10.2.0.1/24
at right tunnel 10.2.0.2/24
reach left 10.2.0.2
ip -n left link del tunnel
ip -n right link del tunnel`,
})

const INTERFACES: Checks = {
  'a new network namespace has a loopback and nothing else': `
test "$(echo $(ls /sys/class/net))" = lo
ip netns add fresh
test "$(ip -n fresh -o link | wc -l)" = 1
ip netns del fresh`,
  'a bridge joins two veths': `
ip link add bridge type bridge
ip link set bridge up
for side in left right; do
  ip netns add $side
  ip link add $side type veth peer name eth0 netns $side
  ip link set $side master bridge up
  ip -n $side link set lo up
done
at left eth0 10.1.0.1/24
at right eth0 10.1.0.2/24
reach left 10.1.0.2`,
  'a VLAN passes a filtering bridge where it may': `
ip -n left link add link eth0 name vlan type vlan id 5
ip -n right link add link eth0 name vlan type vlan id 5
at left vlan 10.5.0.1/24
at right vlan 10.5.0.2/24
reach left 10.5.0.2
ip link set bridge type bridge vlan_filtering 1
! reach left 10.5.0.2 1
/host/bridge vlan add dev left vid 5
/host/bridge vlan add dev right vid 5
reach left 10.5.0.2
ip link set bridge type bridge vlan_filtering 0`,
  ...Object.assign({}, ...Object.entries(TUNNELS).map(([name, how]) => tunnel(name, how))),
  'sit carries IPv6 over IPv4': `
ip -n left link add tunnel type sit remote 10.1.0.2 local 10.1.0.1
ip -n right link add tunnel type sit remote 10.1.0.1 local 10.1.0.2
at left tunnel fd02::1/64
at right tunnel fd02::2/64
reach left fd02::2`,
  'WireGuard carries packets': `
for side in left right; do
  /host/wg genkey >/$side.key
  /host/wg pubkey </$side.key >/$side.public
  ip -n $side link add wireguard type wireguard
done
inside left /host/wg set wireguard listen-port 51820 private-key /left.key \\
  peer $(cat /right.public) allowed-ips 10.3.0.2/32 endpoint 10.1.0.2:51820
inside right /host/wg set wireguard listen-port 51820 private-key /right.key peer $(cat /left.public) allowed-ips 10.3.0.1/32
at left wireguard 10.3.0.1/24
at right wireguard 10.3.0.2/24
reach left 10.3.0.2
inside right /host/wg show wireguard latest-handshakes | grep -v '[[:space:]]0$'`,
  'a macvlan is another host on the same network': `
ip netns add guest
ip -n left link add link eth0 name macvlan netns guest type macvlan mode bridge
at guest macvlan 10.1.0.3/24
reach guest 10.1.0.2
ip -n guest link del macvlan`,
  'an ipvlan is another address of the same host': `
ip -n right link add link eth0 name ipvlan netns guest type ipvlan mode l2
at guest ipvlan 10.1.0.4/24
reach guest 10.1.0.1
ip -n guest link del ipvlan`,
  'a macvtap has a device': `
ip link add link bridge name macvtap type macvtap
test -e /sys/class/net/macvtap/macvtap/tap*/dev`,
  'tun and tap stay when their maker ends': `
ip tuntap add mode tun name tun0
ip tuntap add mode tap name tap0
ip link set tap0 master bridge up
ip addr add 10.6.0.1/24 dev tun0
ip link set tun0 up
ip tuntap list | grep -c persist`,
  'a dummy has an address': `
ip link add dummy type dummy
ip addr add 10.7.0.1/24 dev dummy
ip link set dummy up
/bin/busybox ping -c 1 -W 10 10.7.0.1`,
  'a VRF has a routing table': `
ip link add vrf0 type vrf table 10
ip link set vrf0 up
ip link set dummy master vrf0
ip route show table 10 | grep 10.7.0.0/24`,
  'a rule chooses a routing table': `
ip route add blackhole 10.99.0.0/16 table 20
ip rule add from 10.1.0.9 lookup 20
ip rule | grep 'from 10.1.0.9 lookup 20'
ip -6 rule add from fd09::9 lookup 20`,
  'queueing disciplines and their filters': `
for discipline in 'htb default 1' fq_codel fq 'netem delay 1ms' 'tbf rate 1mbit burst 10kb latency 10ms' prio; do
  /host/tc qdisc add dev left root $discipline
  /host/tc qdisc del dev left root
done
/host/tc qdisc add dev left clsact
/host/tc filter add dev left ingress matchall action mirred egress redirect dev right
/host/tc filter add dev left egress protocol ip u32 match ip dst 10.1.0.2/32 flowid 1:1
/host/tc qdisc del dev left clsact
/host/tc qdisc add dev left ingress`,
  'TCP can be told to use BBR': `
sysctl -w net.ipv4.tcp_congestion_control=bbr`,
}

describe('interfaces', () => {
  const checks = shellChecks(INTERFACES, PRELUDE)
  const boot = booted(async () => ({
    init: '/checks/run',
    files: {
      ...checks.files,
      ...(await hostPrograms({
        ip: 'iproute2',
        bridge: 'iproute2',
        tc: 'iproute2',
        wg: 'wireguard-tools',
      })),
    },
  }))

  test.each(checks.names)('%s', (name) => expect(checks.outcome(boot(), name)).toMatch(WENT_WELL))
})

/**
 * `inside` (10.8.0.2) reaches `outside` (10.9.0.2) through the container. Outside counts who asks: `original` is the
 * address inside, `translated` the container's own.
 */
const ROUTER = `${PRELUDE}
nft() { /host/nft "$@"; }
seen() {
  reach inside $1 >/dev/null
  inside outside /host/nft reset counters | grep -B 1 'packets 1 ' | sed -n 's/.*counter \\(.*\\) {.*/\\1/p'
}
`

/** A rule each, by every match and target that Docker, Kubernetes, Istio, Tailscale and fail2ban put into theirs. */
const RULES: readonly string[] = [
  'filter -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT',
  'nat -A PREROUTING -m addrtype --dst-type LOCAL -j ACCEPT',
  'filter -A INPUT -m comment --comment text -j ACCEPT',
  'nat -A POSTROUTING -s 172.17.0.0/16 ! -o bridge -j MASQUERADE --random-fully',
  'nat -A OUTPUT -p tcp -d 10.96.0.1 --dport 443 -j DNAT --to-destination 10.1.0.2:6443',
  'nat -A POSTROUTING -d 10.1.0.2 -j SNAT --to-source 10.1.0.1',
  'nat -A PREROUTING -p tcp -j REDIRECT --to-ports 15001',
  'nat -A OUTPUT -m owner --uid-owner 1337 -j RETURN',
  'nat -A OUTPUT -m statistic --mode random --probability 0.5 -j MARK --set-xmark 0x4000/0x4000',
  'nat -A OUTPUT -m mark --mark 0x4000/0x4000 -j RETURN',
  'nat -A OUTPUT -m recent --name affinity --rcheck --seconds 10800 -j RETURN',
  'mangle -A PREROUTING -p tcp -m socket -j CONNMARK --restore-mark',
  'mangle -A PREROUTING -p tcp -j TPROXY --on-port 15001 --tproxy-mark 0x1',
  'mangle -A PREROUTING -m connmark --mark 1 -j ACCEPT',
  'mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu',
  'mangle -A POSTROUTING -p udp --dport 68 -j CHECKSUM --checksum-fill',
  'raw -A PREROUTING -p udp --dport 53 -j CT --notrack',
  'raw -A PREROUTING -m rpfilter --invert -j DROP',
  'filter -A INPUT -p tcp -m multiport --dports 80,443 -j REJECT --reject-with tcp-reset',
  'filter -A INPUT -m limit --limit 5/min -j LOG --log-prefix dropped',
  'filter -A INPUT -j NFLOG --nflog-group 1',
  'filter -A INPUT -p tcp -m hashlimit --hashlimit-name ssh --hashlimit-above 3/min --hashlimit-mode srcip -j DROP',
  'filter -A FORWARD -m physdev --physdev-is-bridged -j ACCEPT',
  'filter -A FORWARD -m mac --mac-source 52:54:00:00:00:01 -j DROP',
  'filter -A OUTPUT -m cgroup --path system.slice -j ACCEPT',
  'filter -A INPUT -m bpf --bytecode "1,6 0 0 0" -j DROP',
  'filter -A INPUT -p tcp -m tcpmss --mss 1:500 -j DROP',
  'filter -A INPUT -m ipvs --ipvs -j ACCEPT',
  'filter -A INPUT -m set --match-set some src -j DROP',
]

/** The IPv6 ones that differ. */
const RULES6: readonly string[] = [
  'nat -A POSTROUTING -s fd00::/8 -j MASQUERADE',
  'filter -A INPUT -m conntrack --ctstate INVALID -j REJECT',
  'raw -A PREROUTING -m rpfilter --invert -j DROP',
  'mangle -A PREROUTING -p tcp -j TPROXY --on-port 1 --tproxy-mark 1',
]

/** Tables of all rules, in the format of iptables-save(8). */
const restore = (rules: readonly string[]): string =>
  ['raw', 'mangle', 'nat', 'filter']
    .map((table) => {
      const own = rules
        .filter((rule) => rule.startsWith(`${table} `))
        .map((rule) => rule.slice(table.length + 1))
      return [`*${table}`, ...own, 'COMMIT', ''].join('\n')
    })
    .join('')

/** The program's message names the line that it rejected. */
const rules = (program: string, file: string, count: number): Checks => ({
  [`${program} has every match and target`]: `
cat -n /${file}
/host/${program}-restore --noflush </${file}
test "$(/host/${program}-save | grep -c '^-A')" = ${count}
printf '*%s\nCOMMIT\n' raw mangle nat filter | /host/${program}-restore`,
})

const RULESET = `
table inet every {
  set addresses { type ipv4_addr; flags interval,timeout; elements = { 10.20.0.0/16 timeout 1h } }
  set ports { type ipv4_addr . inet_service; flags dynamic; timeout 1m; }
  map services { type ipv4_addr . inet_proto . inet_service : verdict; }
  quota much { over 10 mbytes }
  ct helper ftp { type "ftp" protocol tcp; }
  chain service {
    numgen random mod 2 vmap { 0 : drop, 1 : accept }
  }
  chain prerouting {
    type nat hook prerouting priority dstnat
    fib daddr type local tcp dport 8080 redirect to :80
    tcp dport 21 ct helper set "ftp"
    dnat ip to jhash ip saddr mod 2 map { 0 : 10.1.0.1, 1 : 10.1.0.2 }
  }
  chain mangle {
    type filter hook prerouting priority mangle
    socket transparent 1 meta mark set 1 accept
    meta l4proto tcp tproxy to :15001
    ct zone set 1
  }
  chain forward {
    type filter hook forward priority filter; policy drop
    ct state vmap { invalid : drop, new : accept }
    ct label set 1 ct mark set 2
    tcp flags syn tcp option maxseg size set rt mtu
    ip saddr . ip protocol . th dport vmap @services
  }
  chain input {
    type filter hook input priority filter
    ip saddr @addresses limit rate 5/minute burst 10 packets log prefix "input" group 1
    tcp dport 22 ct state new add @ports { ip saddr . tcp dport }
    tcp dport 23 ct count over 2 reject with tcp reset
    quota name "much" drop
    queue num 1 bypass
    meta cgroup 1 socket cgroupv2 level 1 "features" accept
    reject with icmpx admin-prohibited
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; masquerade random,persistent
  }
}
table netdev early {
  chain ingress {
    type filter hook ingress device br0 priority 0; ip saddr 10.30.0.0/16 drop
  }
  chain egress {
    type filter hook egress device br0 priority 0; ip daddr 10.30.0.0/16 drop
  }
}
`

const FLOW_TABLE = `
table inet short {
  flowtable fast {
    hook ingress priority 0
    devices = { br0 }
  }
  chain forward {
    type filter hook forward priority filter
    ct state established flow add @fast
  }
}
`

const TRANSLATION: Checks = {
  'packets go through a container with their own addresses': `
for side in in out; do
  case $side in in) name=inside net=8 ;; *) name=outside net=9 ;; esac
  ip netns add $name
  ip link add $side type veth peer name eth0 netns $name
  ip addr add 10.$net.0.1/24 dev $side
  ip addr add fd0$net::1/64 dev $side nodad
  ip link set $side up
  at $name eth0 10.$net.0.2/24
  at $name eth0 fd0$net::2/64
  ip -n $name route add default via 10.$net.0.1
  ip -n $name -6 route add default via fd0$net::1
done
sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
inside outside /host/nft -f /seen.nft
test "$(seen 10.9.0.2)" = original
test "$(seen fd09::2)" = original`,
  'nft translates their address': `
nft 'table inet nat { chain postrouting { type nat hook postrouting priority srcnat; oifname out masquerade; }; }'
test "$(seen 10.9.0.2)" = translated
test "$(seen fd09::2)" = translated
nft delete table inet nat
test "$(seen 10.9.0.2)" = original`,
  ...Object.assign(
    {},
    ...['nft', 'legacy'].map((kind) => ({
      [`iptables-${kind} translates their address`]: `
/host/iptables-${kind} -t nat -A POSTROUTING -o out -m comment --comment ours -j MASQUERADE
/host/ip6tables-${kind} -t nat -A POSTROUTING -o out -j MASQUERADE
test "$(seen 10.9.0.2)" = translated
test "$(seen fd09::2)" = translated
/host/iptables-${kind} -t nat -F
/host/ip6tables-${kind} -t nat -F
test "$(seen 10.9.0.2)" = original`,
    })),
  ),
  'a port of the container is another host’s': `
nft 'table ip nat { chain prerouting { type nat hook prerouting priority dstnat; ip daddr 10.8.0.1 tcp dport 80 dnat to 10.9.0.2:8080; }; }'
mkdir -p /www
echo served >/www/page
inside outside /bin/busybox httpd -p 8080 -h /www
printf 'GET /page HTTP/1.0\\r\\n\\r\\n' | inside inside /bin/busybox nc -w 10 10.8.0.1 80 | grep served
nft delete table ip nat`,
  'an ipset keeps out whom it has': `
/host/ipset create blocked hash:net
/host/iptables-nft -A FORWARD -m set --match-set blocked src -j DROP
test "$(seen 10.9.0.2)" = original
/host/ipset add blocked 10.8.0.0/24
! reach inside 10.9.0.2 1
/host/iptables-nft -F FORWARD`,
}

const FILTERS: Checks = {
  'ipset has every type that kube-proxy asks for': `
for type in hash:ip,port hash:ip,port,ip hash:ip,port,net hash:net,port hash:net,iface hash:ip list:set; do
  /host/ipset create $type $type
done
/host/ipset create ports bitmap:port range 1-100
/host/ipset create addresses bitmap:ip range 10.0.0.0/24
/host/ipset create some hash:ip`,
  'bridged packets can be filtered as routed ones': `
ip link add br0 type bridge
ip link set br0 up
sysctl -w net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=1`,
  'connections are counted and limited': `
sysctl -w net.netfilter.nf_conntrack_max=131072
test "$(cat /proc/sys/net/netfilter/nf_conntrack_count)" -ge 0`,
  'IPVS is there': `
test -e /proc/net/ip_vs
sysctl -w net.ipv4.vs.conntrack=1`,
  'every expression of nftables that rules are made of': `
mount | grep -q ' on /sys/fs/cgroup type cgroup2' || mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /sys/fs/cgroup/features /sys/fs/cgroup/system.slice
nft -f /ruleset.nft
nft list ruleset | grep 'socket cgroupv2'
nft flush ruleset`,
  'a flow table, by which routed packets take a short cut': `
nft -f /flow.nft
nft list ruleset | grep 'flow add @fast'
nft flush ruleset`,
  ...rules('iptables-nft', 'rules', RULES.length),
  ...rules('ip6tables-nft', 'rules6', RULES6.length),
  ...rules('iptables-legacy', 'rules', RULES.length),
  ...rules('ip6tables-legacy', 'rules6', RULES6.length),
}

/** Replies do not count. */
const SEEN = `
table inet seen {
  counter original {}
  counter translated {}
  chain input {
    type filter hook input priority filter
    icmp type echo-request ip saddr 10.8.0.2 counter name original
    icmp type echo-request ip saddr 10.9.0.1 counter name translated
    icmpv6 type echo-request ip6 saddr fd08::2 counter name original
    icmpv6 type echo-request ip6 saddr fd09::1 counter name translated
  }
}
`

/** One program by many names. */
const XTABLES = Object.fromEntries(
  ['iptables-nft', 'ip6tables-nft', 'iptables-legacy', 'ip6tables-legacy'].flatMap((name) =>
    [name, `${name}-restore`, `${name}-save`].map((each) => [each, 'iptables']),
  ),
)

describe.each([
  ['address translation', TRANSLATION],
  ['packet filters', FILTERS],
])('%s', (_, table) => {
  const checks = shellChecks(table, ROUTER)
  const boot = booted(async () => ({
    init: '/checks/run',
    files: {
      ...checks.files,
      ...(await hostPrograms({ ip: 'iproute2', nft: 'nftables', ipset: 'ipset', ...XTABLES })),
      ...(await xtablesPlugins()),
      'seen.nft': SEEN,
      'ruleset.nft': RULESET,
      'flow.nft': FLOW_TABLE,
      rules: restore(RULES),
      rules6: restore(RULES6),
    },
  }))

  test.each(checks.names)('%s', (name) => expect(checks.outcome(boot(), name)).toMatch(WENT_WELL))
})
