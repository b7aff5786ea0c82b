# A host: Tcl's sqlite3.  A progress handler ends a query.
package require sqlite3
fconfigure stdin -encoding utf-8
fconfigure stdout -encoding utf-8

proc load_into {db} {
    set so [string range $::env(CQ_SO) 0 end-3]
    $db eval {SELECT load_extension($so)}
}
proc open_as {name path} {
    sqlite3 $name $path
    $name enable_load_extension 1
    $name nullvalue NULL
    load_into $name
}
proc show {db sql {half 0}} {
    set out {}
    $db eval $sql row {
        set values {}
        foreach column $row(*) {lappend values $row($column)}
        lappend out "= [join $values |]"
        if {$half} break
    }
    return $out
}
proc run {verb name args} {
    switch $verb {
        open {open_as db$name [lindex $args 0]}
        load {load_into db$name}
        rows {return [show db$name [lindex $args 0]]}
        close {db$name close}
        interrupt {
            set ::flag [lindex $args 0]
            db$name progress 1000 {file exists $::flag}
            set failed [catch {show db$name [lindex $args 1]} out]
            db$name progress 1000 {}
            if {$failed} {error $out}
            return $out
        }
    }
    return {}
}

sqlite3 first :memory:
puts "tcl [first version] progress"
flush stdout
while {[gets stdin line] >= 0} {
    if {[catch {run {*}[split $line \t]} out]} {
        puts "error [string map {\n \\n} $out]"
    } else {
        foreach row $out {puts $row}
        puts ok
    }
    flush stdout
}
