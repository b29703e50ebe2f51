//! `GET /v1/statistics`: who may read, what each part of the query selects, how rows are added up, and in which form.

use serde_json::{Value, json};

use crate::client::refusal;
use crate::second_person::{Person, member, person};
use crate::support::daemon::{ENDPOINT, OBJECT, PROJECT};
use crate::world::World;

#[test]
fn statistics_are_told_by_endpoint_object_operation_and_outcome() {
    let world = World::new("");
    let (absensi, gaji) = (world.absensi(), world.enrol(PROJECT, "gaji"));
    world.grant("encrypt", OBJECT, "gaji");
    let sealed = absensi.seal(OBJECT, b"sepuluh 10");
    assert_eq!(absensi.open(OBJECT, &sealed), b"sepuluh 10");
    let items = json!({ "items": [{ "object": OBJECT, "plaintext": "eHh4" }, { "object": OBJECT, "plaintext": "?" }] });
    assert_eq!(gaji.encrypt(&items).ok()["failed"], 1);
    assert_eq!(gaji.decrypt(&json!({ "object": OBJECT, "ciphertext": sealed })).status, 403);

    let admin = world.admin();
    let ask = |query: &str| admin.get(&format!("/v1/statistics?{query}"));
    let rows = |query: &str| ask(query).ok()["rows"].as_array().unwrap().clone();
    world.daemon.wait_until("all records are committed", || sum(&rows("resolution=day"), "requests") == 4);

    let endpoint = |name: &str| {
        let listed = world.done(&format!("endpoint list --project {PROJECT}"));
        let listed = listed["endpoints"]["items"].as_array().unwrap().clone();
        listed.iter().find(|one| one["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (absensi_id, gaji_id) = (endpoint(ENDPOINT), endpoint("gaji"));
    let shown = world.done(&format!("object show {OBJECT} --project {PROJECT}"));
    let object_id = shown["object"]["object"]["id"].as_str().unwrap().to_owned();

    for resolution in ["minute", "hour", "day", "month"] {
        let of = |more: &str| rows(&format!("resolution={resolution}{more}"));
        let all = of("");
        assert_eq!((sum(&all, "requests"), sum(&all, "fields"), sum(&all, "bytes")), (4, 5, 10 + 10 + 3));
        let ours = of(&format!("&endpoint={absensi_id}"));
        assert_eq!((sum(&ours, "requests"), sum(&ours, "fields"), sum(&ours, "bytes")), (2, 2, 20));
        assert!(ours.iter().all(|row| row["endpoint"] == absensi_id.as_str()));
        let encrypted = of("&operation=encrypt");
        assert_eq!((sum(&encrypted, "requests"), sum(&encrypted, "fields")), (2, 3));
        let fields = of(&format!("&object={object_id}&endpoint={gaji_id}"));
        let by_outcome = |outcome: &str| {
            let rows: Vec<Value> = fields.iter().filter(|row| row["outcome"] == outcome).cloned().collect();
            sum(&rows, "fields")
        };
        assert_eq!((by_outcome("done"), by_outcome("bad-base64")), (1, 1), "{fields:?}");
        let whole: Vec<Value> = of(&format!("&endpoint={gaji_id}&operation=decrypt"));
        assert!(whole.iter().any(|row| row["outcome"] == "not-granted" && row["requests"] == 1), "{whole:?}");
        assert!(ours.iter().all(|row| row["endpoint_name"] == ENDPOINT));
        // A row says what it counts and nothing else.
        for row in &all {
            let whole = row["object"].is_null();
            for (member, is_there) in [
                ("requests", whole),
                ("latency_sum_us", whole),
                ("latency_max_us", whole),
                ("latency_p50_us", whole),
                ("latency_p99_us", whole),
                ("refused", whole),
                ("failed", !whole),
                ("fields", !whole),
                ("bytes", !whole),
            ] {
                assert_eq!(row.get(member).is_some(), is_there, "{member} in {row}");
            }
            assert_eq!(row["object_name"], if whole { Value::Null } else { OBJECT.into() });
        }
        let refused = of("&outcome=not-granted");
        assert_eq!((sum(&refused, "requests"), sum(&refused, "fields")), (1, 1));
        assert!(refused.iter().all(|row| row["outcome"] == "not-granted" && row["endpoint_name"] == "gaji"));
        assert_eq!(sum(&of("&outcome=done"), "fields"), 3);
        assert_eq!(sum(&of("&outcome=bad-base64"), "fields"), 1);
        assert!(sum(&all, "latency_sum_us") >= sum(&all, "latency_max_us"));
    }
    // `to` is the moment after the last, `from` the first.
    assert_eq!(sum(&rows("resolution=day&from=0"), "requests"), 4);
    assert!(rows("resolution=day&from=0&to=86400").is_empty());
    assert!(rows("resolution=minute&from=4000000000&to=4100000000").is_empty());
    assert!(rows(&format!("endpoint={object_id}")).is_empty());

    for wrong in [
        "resolution=week",
        "from=x",
        "to=-1",
        "endpoint=absensi",
        "object=1",
        "operation=hapus",
        "outcome=fine",
        "project=kantor",
        "group=week",
        "group=",
        "format=xml",
        "x=1",
        "from",
    ] {
        assert_eq!(ask(wrong).problem(), refusal(400, "bad-request"), "{wrong}");
    }
    let path = "/v1/statistics";
    assert_eq!(world.control(None).get(path).problem(), refusal(401, "certificate-missing"));
    assert_eq!(world.control(Some("client/client")).get(path).problem(), refusal(403, "forbidden"));
}

#[test]
fn statistics_are_added_up_by_what_is_asked_for() {
    let world = World::new("");
    let (absensi, gaji) = (world.absensi(), world.enrol(PROJECT, "gaji"));
    world.grant("encrypt", OBJECT, "gaji");
    for _ in 0..3 {
        absensi.seal(OBJECT, b"sepuluh 10");
    }
    let items = json!({ "items": [{ "object": OBJECT, "plaintext": "eHh4" }, { "object": OBJECT, "plaintext": "?" }] });
    assert_eq!(gaji.encrypt(&items).ok()["failed"], 1);
    assert_eq!(gaji.decrypt(&json!({ "object": OBJECT, "ciphertext": "R0IB" })).status, 403);

    let admin = world.admin();
    let ask = |query: &str| admin.get(&format!("/v1/statistics?resolution=day&{query}")).ok();
    world.daemon.wait_until("all records are committed", || ask("")["totals"]["requests"] == 5);
    let rows = |query: &str| ask(query)["rows"].as_array().unwrap().clone();

    let counts = |row: &Value| {
        ["requests", "refused", "fields", "failed", "bytes"].map(|name| row[name].as_u64().unwrap())
    };
    let whole = [5, 1, 6, 2, 33];
    for group in ["group=project", "group=operation", "group=endpoint,outcome", "group=time", "group=object"]
    {
        let found = ask(group);
        assert_eq!(counts(&found["totals"]), whole, "{group}");
        assert_eq!(found["totals"]["outcomes"], json!({ "done": 4, "not-granted": 1 }), "{group}");
        assert_eq!((&found["truncated"], &found["next_from"]), (&json!(false), &Value::Null));
        assert_eq!(found["kept_from"], Value::Null);
        let rows = found["rows"].as_array().unwrap();
        assert_eq!((sum(rows, "requests"), sum(rows, "fields")), (5, 6), "{group}");
    }
    let by_project = rows("group=project");
    let [row] = &by_project[..] else { panic!("{by_project:?}") };
    assert_eq!((&row["project_name"], counts(row)), (&json!(PROJECT), whole));
    assert!(row.get("endpoint").is_none() && row.get("start").is_none(), "{row}");
    let latency = |name: &str| row[name].as_u64().unwrap();
    assert!(0 < latency("latency_p50_us") && latency("latency_p50_us") <= latency("latency_p90_us"));
    assert!(latency("latency_p90_us") <= latency("latency_p99_us"));
    assert!(latency("latency_p99_us") <= latency("latency_max_us"));
    assert!(row.get("latency_counted").is_none(), "all of them are");

    let by_endpoint = rows("group=endpoint");
    let of = |name: &str| by_endpoint.iter().find(|row| row["endpoint_name"] == name).unwrap();
    assert_eq!(counts(of(ENDPOINT)), [3, 0, 3, 0, 30]);
    assert_eq!(counts(of("gaji")), [2, 1, 3, 2, 3]);
    // Any of several, and those of a project.
    let ids = by_endpoint.iter().map(|row| format!("&endpoint={}", row["endpoint"].as_str().unwrap()));
    assert_eq!(counts(&ask(&ids.collect::<String>())["totals"]), whole);
    let one = format!("endpoint={}", of("gaji")["endpoint"].as_str().unwrap());
    assert_eq!(counts(&ask(&one)["totals"]), counts(of("gaji")));
    let project = row["project"].as_str().unwrap();
    assert_eq!(counts(&ask(&format!("project={project}"))["totals"]), whole);
    let none = ask(&format!("project={}&group=time", of("gaji")["endpoint"].as_str().unwrap()));
    assert_eq!((counts(&none["totals"]), none["rows"].as_array().unwrap().len()), ([0; 5], 0));
    assert_eq!(none["totals"]["latency_p50_us"], Value::Null);

    // A month is the days of it.
    let months = admin.get("/v1/statistics?resolution=month&group=time").ok();
    // Two, where one ends just now.
    let each = months["rows"].as_array().unwrap().iter().map(&counts);
    let sum = each.reduce(|sum, row| std::array::from_fn(|at| sum[at] + row[at])).unwrap();
    assert_eq!((counts(&months["totals"]), sum), (whole, whole));
    let start = months["rows"][0]["start"].as_str().unwrap();
    assert!(start.ends_with("-01T00:00:00Z") && months["from"].as_str().unwrap().ends_with("-01T00:00:00Z"));

    let csv = admin.get("/v1/statistics?resolution=day&group=endpoint,outcome&format=csv");
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    let text = String::from_utf8(csv.body.clone()).unwrap();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    let head =
        "endpoint,endpoint_name,outcome,requests,refused,fields,failed,bytes,latency_sum_us,latency_max_us,";
    assert_eq!(lines[0], format!("{head}latency_p50_us,latency_p90_us,latency_p95_us,latency_p99_us"));
    assert!(lines.iter().any(|line| line.contains(",gaji,not-granted,1,1,1,1,0,")), "{text}");
    assert!(lines.iter().any(|line| line.contains(",gaji,bad-base64,0,0,1,1,0,0,0,,,,")), "{text}");
    assert!(lines.iter().all(|line| line.split(',').count() == 14), "{text}");
    let accepts = |accept: &str| {
        let answer = admin.insist("GET", "/v1/statistics?group=time", &[("accept", accept)], b"");
        answer.header("content-type").unwrap().split(';').next().unwrap().to_owned()
    };
    for (accept, form) in [
        ("text/csv", "text/csv"),
        ("text/csv;q=0.9, application/json;q=0.1", "text/csv"),
        ("application/json, text/csv", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ] {
        assert_eq!(accepts(accept), form, "{accept}");
    }

    let metrics = String::from_utf8(admin.get("/metrics").body).unwrap();
    let of = |line: &str| {
        let found = metrics.lines().find_map(|told| told.strip_prefix(line));
        found.unwrap_or_else(|| panic!("{line} in {metrics}")).trim().to_owned()
    };
    let name = "gembok_request_duration_seconds";
    assert_eq!(of(&format!("{name}_count{{operation=\"encrypt\"}}")), "4");
    assert_eq!(of(&format!("{name}_bucket{{operation=\"encrypt\",le=\"+Inf\"}}")), "4");
    assert_eq!(of(&format!("{name}_bucket{{operation=\"encrypt\",le=\"16.777216\"}}")), "4");
    assert_eq!(of(&format!("{name}_bucket{{operation=\"decrypt\",le=\"0.000016\"}}")), "0");
    the_operator_is_told_the_same(&world);
}

fn the_operator_is_told_the_same(world: &World) {
    let told = world.done("statistics --from 2h --group endpoint,outcome");
    let told = &told["statistics"];
    let totals = &told["totals"];
    let counts =
        ["requests", "refused", "fields", "failed", "bytes"].map(|name| totals[name].as_u64().unwrap());
    assert_eq!(counts, [5, 1, 6, 2, 33]);
    assert_eq!((&told["resolution"], &told["outcomes"]["not-granted"]), (&json!("minute"), &json!(1)));
    let rows = told["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["endpoint"] == "gaji" && row["outcome"] == "bad-base64"), "{rows:?}");
    let of = world.done(&format!("statistics --project {PROJECT} --endpoint gaji --object {OBJECT}"));
    assert_eq!(of["statistics"]["totals"]["fields"], 3);
    assert_eq!(of["statistics"]["totals"]["requests"], 0, "items only");

    let shown = world.sandbox.run(&["statistics", "--group", "endpoint"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let of =
        |name: &str| shown.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{shown}"));
    assert!(of(ENDPOINT).ends_with("  ####################"), "{shown}");
    assert!(of("ENDPOINT").contains("REQUESTS") && of("total").contains(" 33 "), "{shown}");
    assert!(shown.contains("refused: 1 not-granted"), "{shown}");

    let refused = |words: &[&str]| world.sandbox.refused(&[&["statistics"], words].concat());
    for wrong in [
        &["--resolution", "week"][..],
        &["--group", "colour"],
        &["--from", "yesterday"],
        &["--from", "2h", "--to", "3h"],
    ] {
        assert_eq!(refused(wrong), "bad-request", "{wrong:?}");
    }
    assert_eq!(refused(&["--project", "none"]), "not-found");
    assert_eq!(refused(&["--project", PROJECT, "--endpoint", "none"]), "not-found");
    assert_eq!(world.sandbox.run(&["statistics", "--endpoint", "gaji"]).status.code(), Some(2));
}

/// By user: what is of the projects one is a member of. An admin and an auditor see anyone's, a user its own.
#[test]
fn an_admin_sees_each_users_and_a_user_its_own() {
    let world = World::new("");
    let (siti, tono) = (member(&world, "siti"), person(&world, "tono", "user"));
    let (admin, rina) = (Person(world.admin()), person(&world, "rina", "auditor"));
    world.done("project create gudang");
    world.done("project member add tono --project gudang");
    let absensi = world.absensi();
    for _ in 0..3 {
        absensi.seal(OBJECT, b"sepuluh 10");
    }
    let kasir = world.enrol("gudang", "kasir");
    assert_eq!(kasir.encrypt(&json!({ "object": "tidak-ada", "plaintext": "" })).status, 404);
    world.daemon.wait_until("all records are committed", || {
        admin.get("/v1/statistics?resolution=day&group=time").ok()["totals"]["requests"] == 4
    });

    for (who, name, requests) in [
        (&admin, "siti", 3),
        (&admin, "tono", 1),
        (&admin, "rina", 0),
        (&rina, "siti", 3),
        (&siti, "siti", 3),
        (&tono, "tono", 1),
    ] {
        let rows = who.get(&format!("/v1/statistics?resolution=day&group=project&user={name}")).ok();
        assert_eq!(rows["totals"]["requests"], requests, "{name}");
        let table = who.get(&format!("/v1/statistics/table?group=project&user={name}")).ok();
        assert_eq!(table["totals"]["requests"], requests, "{name}");
    }
    let of = |who: &Person, query: &str| {
        let table = who.get(&format!("/v1/statistics/table?{query}"));
        let status = who.get(&format!("/v1/statistics?{query}")).status;
        (table.status, status)
    };
    // Another's, whether there is one of that name or not; and no project that is not one's own by one's own name.
    assert_eq!(of(&siti, "user=tono"), (403, 403));
    assert_eq!(of(&siti, "user=nobody"), (403, 403));
    assert_eq!(of(&admin, "user=nobody"), (404, 404));
    for project in ["gudang", "tidak-ada"] {
        let asked = siti.get(&format!("/v1/statistics/table?user=siti&project={project}"));
        assert_eq!(asked.problem(), refusal(404, "not-found"), "{project}");
    }
    let below = siti.get(&format!("/v1/statistics/table?user=siti&project={PROJECT}")).ok();
    assert_eq!(below["totals"]["requests"], 3);
    // An admin's question about a project that the user is no member of finds nothing.
    let none = admin.get("/v1/statistics/table?user=siti&project=gudang").ok();
    assert_eq!(none["totals"]["requests"], 0);
    assert_eq!(world.done("statistics --user tono")["statistics"]["totals"]["requests"], 1);
    assert_eq!(world.sandbox.refused(&["statistics", "--user", "nobody"]), "not-found");
}

fn sum(rows: &[Value], member: &str) -> u64 {
    rows.iter().filter_map(|row| row.get(member)).map(|count| count.as_u64().unwrap()).sum()
}
