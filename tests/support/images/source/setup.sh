#!/bin/bash
# Runs inside the new tree, once, after the packages are there: makes the machine out of the packages.
# $1: the public key that may log in as root.
set -euo pipefail
export LC_ALL=C.UTF-8
cluster=/var/lib/postgresql/15/main
bin=/usr/lib/postgresql/15/bin

# Only what this hardware needs to find its root: no virtio, as on a machine that was installed on ATA disks.
printf '%s\n' ata_piix ata_generic ahci sd_mod ext4 xfs >>/etc/initramfs-tools/modules
update-initramfs -u -k all

echo source1 >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 source1\n' >/etc/hosts
: >/etc/machine-id
install -d -m 700 /root/.ssh
printf '%s\n' "$1" >/root/.ssh/authorized_keys
# Names of clients are never looked up (there may be no name server), so logging in is quick.
printf 'UseDNS no\nPasswordAuthentication no\n' >/etc/ssh/sshd_config.d/local.conf

useradd --system --home-dir /var/www/shop --shell /usr/sbin/nologin shop
chown -R shop:shop /var/www/shop

# Without its bitcode files the just-in-time compiler would only complain.
echo 'jit = off' >/etc/postgresql/15/main/conf.d/local.conf

as_postgres() { runuser -u postgres -- "$@"; }
as_postgres "$bin/pg_ctl" -s -w -D "$cluster" -o "-c config_file=/etc/postgresql/15/main/postgresql.conf
  -c listen_addresses= -c dynamic_shared_memory_type=sysv" start
stop_postgres() { as_postgres "$bin/pg_ctl" -s -w -D "$cluster" stop -m fast; }
trap stop_postgres EXIT
as_postgres createuser shop
as_postgres createdb --owner=shop shop
runuser -u shop -- psql -Xq -v ON_ERROR_STOP=1 -d shop <<'SQL'
CREATE TABLE orders (
  id bigserial PRIMARY KEY,
  item text NOT NULL,
  amount integer NOT NULL CHECK (amount > 0),
  create_time timestamptz NOT NULL DEFAULT now()
);
INSERT INTO orders (item, amount)
  SELECT 'article-' || (n * 7919 % 1000), 1 + n % 9 FROM generate_series(1, 5000) AS n;
SQL
stop_postgres
trap - EXIT

systemctl enable nginx.service postgresql.service ssh.service orders-writer.service
# Nothing that writes or downloads by itself at an unpredictable hour.
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
