#!/bin/busybox sh
# The only program of the small guest. What it does is told by the kernel's command line, words with commas between them:
#   network:NAME  configures the interface NAME       page         a page on port 80       agent   QEMU's guest agent
#   ssh           an SSH server for the key of tests   reach:PORT   tries to get out: a name, a file by UDP, a connection to the host
#   silent        says nothing                         end:exit, end:poweroff              how it ends; else it stays up
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
ip link set lo up

agent() {
  for port in /sys/class/virtio-ports/*; do
    if [ "$(cat "$port/name")" = org.qemu.guest_agent.0 ]; then
      qemu-ga -d -m virtio-serial -p "/dev/${port##*/}" -t /run -f /run/qemu-ga.pid
    fi
  done
}
# All of it fails in an isolated network. The wanted answers would take their time.
reach() {
  timeout 3 nslookup mail.example.test 10.0.2.3
  timeout 2 tftp -g -r hello -l /dev/null 192.0.2.9
  timeout 3 nc -w 2 10.0.2.2 "$1" </dev/null
} >/dev/null 2>&1

end= silent=
for word in $(echo "$does" | tr , ' '); do
  case $word in
    network:*)
      name=${word#network:}
      ip link set "$name" up && ip address add 10.0.2.15/24 dev "$name" && ip route add default via 10.0.2.2
      ;;
    page) httpd -p 80 -h /www ;;
    agent) agent ;;
    ssh) dropbear -s -r /etc/dropbear/key ;;
    reach:*) reach "${word#reach:}" ;;
    silent) silent=1 ;;
    end:*) end=${word#end:} ;;
  esac
done
[ -n "$silent" ] || echo "small guest is up: $does"
case $end in
  exit) exit 3 ;;
  poweroff) poweroff -f ;;
esac
while :; do sleep 1000; done
