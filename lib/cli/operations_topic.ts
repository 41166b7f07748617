// The text of `docs operations`. A test does what it says, with running pods.

/** Plain text; commands are indented by four blanks. */
export const operationsTopic = `OPERATIONS

The store has the intent, the addresses and tags that were chosen for it, who was attached to what, and the
history: in a SQLite file of one host, or in an etcd that hosts share. "k8contivnet status" prints its URL.
Pods stay connected while agent and store are down, as Open vSwitch forwards by itself: only set-ups,
teardowns and changes wait.

sqlite:/var/lib/k8contivnet/store.db, etcd://10.0.0.5:2379/prod and the paths below stand for yours. With TLS
or passwords, add --etcd-ca, --etcd-cert, --etcd-key, --etcd-user and --etcd-password-file to each command.

BACKUP

The records of one moment, in a file that only root can read; agents may run. --force replaces the last one:

    k8contivnet store backup sqlite:/var/lib/k8contivnet/store.db /var/backups/k8contivnet.db --force
    k8contivnet store backup etcd://10.0.0.5:2379/prod /var/backups/k8contivnet.db --force

The backup is refused in a folder that other users may write to. etcd's own way saves all that is in etcd:

    etcdctl --endpoints 10.0.0.5:2379 snapshot save /var/backups/etcd.snapshot

RESTORE

On all hosts of the store, stop the agents. Pods stay connected:

    systemctl stop k8contivnet

Put the records back, on one host, and then what has changed in the intent since:

    k8contivnet store copy sqlite:/var/backups/k8contivnet.db etcd://10.0.0.5:2379/prod --force
    k8contivnet apply -f intent.json --store etcd://10.0.0.5:2379/prod

Without the second command, a pod whose endpoint is not in the backup is detached. On all hosts:

    systemctl start k8contivnet

Pods attached after the backup keep their addresses: agents recreate their records from the ports in Open
vSwitch. What was deleted since is released again after --grace (60 s). Compare the records with their claims at
the end:

    k8contivnet ipam check

After "etcdctl snapshot restore", etcd is another cluster: agents go on with what they know, say so in
"k8contivnet status", and use it when they are started again. The same holds for an etcd that was made anew.

UPGRADE

On each host, one after the other; no pod loses a packet. The agent before comes back if the new one does not
answer within 30 s:

    ./install.sh upgrade

Without systemd, the old agent runs on. Pods stay connected while you replace it, with the commands that the
upgrade prints: kill PID, then k8contivnet netplugin --config /etc/k8contivnet/agent.json.

Back up first if you may want to go back to an older version. Version 0.1.0 does not know ports that were
added ahead (--ports): it makes those of running pods anew, in 33 ms each, and they have no network meanwhile.

A LOST HOST

While a host is down, nothing has to be done: its pods keep their addresses for their return. If it never
comes back, look at what it holds, and release it, on any other host:

    k8contivnet gc --host host3 --dry-run
    k8contivnet gc --host host3

Endpoints of the intent keep their addresses and may be used elsewhere, but for those that are pinned:

    k8contivnet bind db-3 host1

A host that is installed anew with the label of the lost one needs --take-over at its first start, if the
last heartbeat is not old.

A LOST ETCD

Without a majority of its members, only two things wait: set-ups of pods whose endpoint has no host yet, and
changes of the intent. Repair the members. If the data are lost, restore a backup as above. Without one, leave
the agents running: one that finds its store empty detaches nobody. The intent's files, and the ports of running
pods, bring all back but the history and the pins of bind:

    k8contivnet apply -f intent.json

A pod whose endpoint has another address now than before is attached again with that one.

FROM SQLITE TO ETCD

    systemctl stop k8contivnet
    k8contivnet store copy sqlite:/var/lib/k8contivnet/store.db etcd://10.0.0.5:2379/prod

Set "store" in /etc/k8contivnet/agent.json to the etcd, and start the agent:

    systemctl start k8contivnet

The copy has all: addresses, history, who is attached. A SQLite store belongs to one host, so copy that of one
host only; others join the etcd after their pods were moved away. The way back is the same with both swapped.
`;
