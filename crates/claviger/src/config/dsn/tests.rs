use super::*;

fn pool_of(text: &str) -> (String, Pool) {
    match Dsn::parse(text) {
        Ok(Dsn::Postgres { url, pool }) => (url, pool),
        other => panic!("{other:?}"),
    }
}

#[test]
fn memory_and_sqlite_in_memory_are_the_same() {
    for text in [
        "memory",
        "sqlite://:memory:",
        "sqlite://file::memory:?cache=shared",
        "sqlite://x?mode=memory",
    ] {
        assert_eq!(Dsn::parse(text), Ok(Dsn::Memory), "{text}");
    }
}

#[test]
fn a_sqlite_path_loses_the_parameters_of_the_other_driver() {
    let file = |path: &str| Ok(Dsn::Sqlite { path: path.into() });
    assert_eq!(
        Dsn::parse("sqlite:///var/lib/c.db?_fk=true&mode=rwc"),
        file("/var/lib/c.db")
    );
    assert_eq!(Dsn::parse("sqlite://claviger.sqlite"), file("claviger.sqlite"));
    assert_eq!(Dsn::parse("sqlite:///a%20b.db"), file("/a b.db"));
}

#[test]
fn sqlite_needs_a_file_that_it_may_write() {
    assert_eq!(Dsn::parse("sqlite://"), Err(DsnError::NoFile));
    assert_eq!(Dsn::parse("sqlite:///a.db?mode=ro"), Err(DsnError::ReadOnly));
}

#[test]
fn pool_parameters_do_not_reach_the_driver() {
    let (url, pool) = pool_of(
        "postgres://u:p@h:5432/d?max_conns=20&sslmode=disable&max_idle_conns=4&max_conn_lifetime=1h&max_conn_idle_time=90s",
    );
    assert_eq!(url, "postgres://u:p@h:5432/d?sslmode=disable");
    let expected = Pool {
        max_conns: Some(20),
        max_idle_conns: Some(4),
        max_conn_lifetime: Some(Duration::from_secs(3600)),
        max_conn_idle_time: Some(Duration::from_secs(90)),
    };
    assert_eq!(pool, expected);
}

#[test]
fn a_zero_pool_parameter_means_the_default() {
    let (url, pool) = pool_of("postgresql://u@h/d?max_conns=0&max_conn_lifetime=0&max_conn_idle_time=0s");
    assert_eq!((url.as_str(), pool), ("postgresql://u@h/d", Pool::default()));
}

#[test]
fn a_pool_parameter_that_does_not_parse_is_named() {
    let error = Dsn::parse("postgres://u:hidden@h/d?max_conns=many").unwrap_err();
    assert_eq!(
        error.to_string(),
        "has a value for max_conns that is not a whole number"
    );
}

#[test]
fn a_socket_directory_may_stand_in_for_the_host() {
    let (url, _) = pool_of("postgres:///d?host=/var/run/postgresql");
    assert_eq!(url, "postgres:///d?host=/var/run/postgresql");
    assert_eq!(Dsn::parse("postgres:///d"), Err(DsnError::NoServer(POSTGRES)));
}

#[test]
fn databases_that_are_not_supported_are_refused_by_name() {
    for scheme in ["cockroach", "oracle"] {
        let error = Dsn::parse(&format!("{scheme}://root:hidden@tcp(h:1)/d"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(scheme) && error.contains("supported are sqlite://") && !error.contains("hidden"),
            "{error}"
        );
    }
}

#[test]
fn a_mysql_address_is_taken_as_hydra_takes_it() {
    for (text, kept, shown) in [
        (
            "mysql://hydra:se?c/r@et@tcp(db:3306)/hydra?max_conns=20&parseTime=true&tls=true",
            "mysql://hydra:se?c/r@et@tcp(db:3306)/hydra?parseTime=true&tls=true",
            "mysql://hydra:******@tcp(db:3306)/hydra?parseTime=true&tls=true",
        ),
        (
            "mysql://hydra:p%40@db/hydra?max_conns=20",
            "mysql://hydra:p%40@db/hydra",
            "mysql://hydra:******@db/hydra",
        ),
        (
            "mysql://hydra:a,b@tcp(one:3306,two:3306)/hydra?max_conns=20",
            "mysql://hydra:a,b@tcp(one:3306,two:3306)/hydra",
            "mysql://hydra:******@tcp(one:3306,two:3306)/hydra",
        ),
        (
            "mysql://root@unix(/run/s.sock)/hydra?max_conns=20",
            "mysql://root@unix(/run/s.sock)/hydra",
            "mysql://root@unix(/run/s.sock)/hydra",
        ),
    ] {
        let dsn = Dsn::parse(text).unwrap();
        assert_eq!(dsn.to_string(), shown);
        let Dsn::Mysql { url, pool } = dsn else {
            panic!("{text}");
        };
        assert_eq!((url.as_str(), pool.max_conns), (kept, Some(20)));
    }
    for text in [
        "mysql://",
        "mysql://u:hidden@tcp(:3306)/d",
        "mysql:///d",
        "mysql://u:hidden@/d",
    ] {
        let error = Dsn::parse(text).unwrap_err();
        assert_eq!(error, DsnError::NoServer(MYSQL), "{text}");
        assert!(!error.to_string().contains("hidden"));
    }
}

#[test]
fn garbage_is_refused_and_not_repeated() {
    for text in ["garbage", "", "pass word://x", "A$ecretThatIsLong://"] {
        assert_eq!(Dsn::parse(text), Err(DsnError::NotAUrl), "{text:?}");
    }
}

#[test]
fn a_password_is_never_shown() {
    let dsn = Dsn::parse("postgres://hydra:se?cr/et@h:5432/d?sslmode=disable&sslpassword=other").unwrap();
    assert_eq!(
        dsn.to_string(),
        "postgres://hydra:******@h:5432/d?sslmode=disable&sslpassword=******"
    );
    assert!(!format!("{dsn:?}").contains("cr/et"));
    let unencoded = Dsn::parse("postgres://hydra:se@cret@h:5432/d").unwrap();
    assert_eq!(unencoded.to_string(), "postgres://hydra:******@h:5432/d");
    assert_eq!(
        dsn.to_url().expose(),
        "postgres://hydra:se?cr/et@h:5432/d?sslmode=disable&sslpassword=other"
    );
}

/// Found by the properties below.
#[test]
fn an_at_sign_in_a_parameter_neither_hides_the_pool_nor_shows_a_password() {
    let (url, pool) = pool_of("postgres://h:5432/d?max_conns=7&application_name=a@b");
    assert_eq!(
        (url.as_str(), pool.max_conns),
        ("postgres://h:5432/d?application_name=a%40b", Some(7))
    );
    for text in [
        "postgres://h/d?password=hidden@x",
        "postgres://u@h/d?sslmode=disable&password=x@hidden",
        "postgres://u:hidden?a=b@h/d",
        "postgres://h/d&password=hidden",
        "mysql://h/d?x=1?password=hidden",
        "mysql://u:12?k=hidden&x@tcp(db:3306)/d",
        "postgres://u:12?x=hidden@db/d",
        "postgres://u:a@b?c=hidden@db/d",
        "postgres://u:a]?c=hidden@db/d",
        "postgres://&max_conns=@&password=hidden:@",
    ] {
        let shown = Dsn::parse(text).unwrap().to_string();
        assert!(
            !shown.contains("hidden") && shown.contains("******"),
            "{text} is shown as {shown}"
        );
    }
}

#[test]
fn a_password_of_digits_is_no_port() {
    let (url, _) = pool_of("postgres://u:12?x=y@db/d?max_conns=7");
    assert_eq!(url, "postgres://u:12?x=y@db/d");
}

proptest::proptest! {
    /// What was read is written in a form that reads the same, and no password is in what people read.
    #[test]
    fn addresses_of_any_shape_are_read_or_refused(
        scheme in "sqlite|postgres|postgresql|mysql|x",
        user in "([a-z]{0,5}(:([0-9]{1,3}[?])?secret-[a-z?/@#&=:]{0,4})?@)?",
        host in "[a-z0-9.:/%()]{0,20}|tcp\\(h:1\\)/d|h/d",
        query in "([?&](max_conns|max_idle_conns|max_conn_lifetime|mode|sslmode|application_name)=[a-z0-9@:-]{0,6}){0,3}",
        last in "([?&](password|sslpassword)=secret-[a-z@:/?=]{0,4})?",
    ) {
        let text = format!("{scheme}://{user}{host}{query}{last}");
        match Dsn::parse(&text) {
            Ok(dsn) => {
                let again = Dsn::parse(dsn.to_url().expose());
                proptest::prop_assert!(again.is_ok_and(|again| again.to_url().expose() == dsn.to_url().expose()), "{}", text);
                let is_file = matches!(dsn, Dsn::Sqlite { .. });
                proptest::prop_assert!(is_file || !dsn.to_string().contains("secret-"), "{} shown as {}", text, dsn);
            }
            Err(error) => proptest::prop_assert!(!error.to_string().contains("secret-"), "{}", error),
        }
    }

    /// However the password looks, as long as no second @ or ? confuses what follows it, the parameters of the pool are found.
    #[test]
    fn pool_parameters_are_found_behind_every_password(
        password in "[a-z?/#&=:]{0,8}", number in 1..1000_u32, more in "(&application_name=[a-z@?:/]{0,6}){0,2}",
    ) {
        for (text, kept) in [
            (format!("postgres://u:{password}@h:5432/d?max_conns={number}{more}"), format!("postgres://u:{password}@h:5432/d")),
            (format!("mysql://u:{password}@tcp(h:3306)/d?max_conns={number}{more}"), format!("mysql://u:{password}@tcp(h:3306)/d")),
            (format!("postgres://h:5432/d?max_conns={number}{more}"), "postgres://h:5432/d".to_owned()),
        ] {
            let dsn = Dsn::parse(&text).expect("an address");
            let (Dsn::Postgres { url, pool } | Dsn::Mysql { url, pool }) = dsn else { panic!("{text}") };
            proptest::prop_assert_eq!(pool.max_conns, Some(number), "{}", text);
            let mark = if more.is_empty() { "" } else { "?" };
            proptest::prop_assert_eq!(url, format!("{kept}{mark}{}", more.trim_start_matches('&').replace('@', "%40")));
        }
    }
}
