# node.sh FILE [ARGUMENT...]: runs FILE by the Node of node_modules, from the project's folder.
# That Node needs a library which Debian's own Node does not, and which a minimal system lacks. As with every other package
# that is missing (build/debian/system.ts): it is installed where that is allowed, otherwise this says what to do.
package=libatomic1
node=node_modules/.bin/node

fail() {
	printf '\nerror: %s\n\n%s\n' "$1" "$2" >&2
	exit 1
}

[ -x "$node" ] || fail 'node_modules has no Node' 'Install it:

  npm ci'

trouble=$("$node" --version 2>&1) || {
	case $trouble in
	*libatomic.so.1*) ;;
	*) fail 'the Node of node_modules cannot be started' "$trouble" ;;
	esac
	by_hand="sudo apt-get update && sudo apt-get install --no-install-recommends $package"
	if [ "$(id -u)" = 0 ]; then
		sudo=
	elif sudo -n true 2>/dev/null; then
		sudo='sudo -n'
	else
		fail "this system package is missing: $package" "Install it:

  $by_hand"
	fi
	printf '  installing by apt-get: %s\n' "$package"
	log=$($sudo apt-get -q update 2>&1 && $sudo env DEBIAN_FRONTEND=noninteractive \
		apt-get -q install --yes --no-install-recommends "$package" 2>&1) || fail "$log" "To do it by hand:

  $by_hand"
}

exec "$node" "$@"
