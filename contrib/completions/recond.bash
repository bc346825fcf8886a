# recond completion for bash, written by `recond completion bash`. Do not edit.
_recond() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} options outputs words
	COMPREPLY=()
	case ${COMP_WORDS[1]} in
	get)
		options='--namespace --all-namespaces --selector --field-selector --output --no-headers --watch --socket --help'
		outputs='wide json yaml name'
		words='namespaces configmaps secrets services pods replicasets deployments jobs events images apps sources' ;;
	status)
		options='--output --watch --wait --timeout --socket --help'
		outputs='json'
		words='' ;;
	logs)
		options='--namespace --output --container --follow --previous --tail --since --timestamps --socket --help'
		outputs='json'
		words='' ;;
	scale)
		options='--namespace --replicas --socket --help'
		outputs=''
		words='' ;;
	rollout)
		options='--namespace --timeout --no-wait --socket --help'
		outputs=''
		words='' ;;
	history)
		options='--output --no-headers --socket --help'
		outputs='json'
		words='' ;;
	diff)
		options='--socket --help'
		outputs=''
		words='' ;;
	undo)
		options='--output --to --socket --help'
		outputs='json'
		words='' ;;
	retry)
		options='--output --socket --help'
		outputs='json'
		words='' ;;
	pause)
		options='--output --socket --help'
		outputs='json'
		words='' ;;
	resume)
		options='--output --socket --help'
		outputs='json'
		words='' ;;
	approve)
		options='--output --socket --help'
		outputs='json'
		words='' ;;
	undelete)
		options='--output --socket --help'
		outputs='json'
		words='' ;;
	delete)
		options='--namespace --selector --output --timeout --all --cascade --grace-period --force --ignore-not-found --no-wait --socket --help'
		outputs='name'
		words='' ;;
	images)
		options='--output --no-headers --all --socket --help'
		outputs='wide json'
		words='' ;;
	cleanup)
		options='--config --state-dir --run-dir --bridge --grace --purge --help'
		outputs=''
		words='' ;;
	version)
		options='--output --socket --help'
		outputs='json'
		words='' ;;
	completion)
		options='--help'
		outputs=''
		words='bash zsh fish' ;;
	help)
		options='--help'
		outputs=''
		words='get status logs scale rollout history diff undo retry pause resume approve undelete delete images cleanup version completion help' ;;
	*)
		options='--config --sources-dir --state-dir --run-dir --socket --socket-group --bridge --pod-cidr --cgroup-parent --image-gc --log-level --confirm-prune --dry-run --output --check-config --help --version'
		outputs='text json'
		words='' ;;
	esac
	if [ "$COMP_CWORD" = 1 ]; then
		words='get status logs scale rollout history diff undo retry pause resume approve undelete delete images cleanup version completion help'
	fi
	case $prev in
	-o|--output) mapfile -t COMPREPLY < <(compgen -W "$outputs" -- "$cur"); return ;;
	--socket|--config|--state-dir|--run-dir) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	esac
	case $cur in
	-*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur") ;;
	*) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur") ;;
	esac
}
complete -o default -F _recond recond
