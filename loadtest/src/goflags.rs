//! Accepts Go-style flags (`-workers 20`, `-rate=10`) beside the usual ones, before clap sees them.
//!
//! What is ambiguous? `-workers` could be the cluster `-w -o -r …`; it is taken as `--workers`
//! because an option of that whole name exists. And `-c` alone means "concurrent", while `-c 50`
//! means 50 workers: what follows decides. A value that looks like a flag needs `--name=value`.

use std::ffi::OsString;

/// The value that stands for `-c` with no number after it.
pub(crate) const BARE: &str = "on";

/// The option whose value may be left out, as `-c` and as `--concurrent`.
const OPTIONAL: [&str; 3] = ["-c", "--concurrent", "-concurrent"];

/// Rewrites arguments into the form that clap reads; `longs` are the long options that exist.
pub(crate) fn rewrite(argv: impl IntoIterator<Item = OsString>, longs: &[String]) -> Vec<OsString> {
    let mut rest = argv.into_iter().peekable();
    let mut out: Vec<OsString> = rest.next().into_iter().collect();
    while let Some(arg) = rest.next() {
        let Some(text) = arg.to_str() else {
            out.push(arg);
            continue;
        };
        if text == "--" {
            out.push(arg);
            break;
        }
        if OPTIONAL.contains(&text) {
            let count = rest.next_if(|next| next.to_str().is_some_and(is_count));
            let count = count.unwrap_or_else(|| BARE.into());
            out.push(format!("--concurrent={}", count.to_string_lossy()).into());
        } else {
            out.push(lengthen(text, longs).map_or(arg, OsString::from));
        }
    }
    out.extend(rest);
    out
}

/// `-workers=20` → `--workers=20`, `-c50` → `--concurrent=50`; `None` leaves the argument as it is.
fn lengthen(arg: &str, longs: &[String]) -> Option<String> {
    let name = arg.strip_prefix('-').filter(|name| !name.starts_with('-'))?;
    if let Some(count) = name.strip_prefix('c') {
        let count = count.strip_prefix('=').unwrap_or(count);
        if is_count(count) || count == "true" || count == "false" {
            return Some(format!("--concurrent={count}"));
        }
    }
    let whole = name.split('=').next()?;
    (whole.len() > 1 && longs.iter().any(|long| long == whole)).then(|| format!("-{arg}"))
}

fn is_count(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(line: &str) -> String {
        let longs = ["requests", "concurrent", "workers", "rate", "timeout", "url", "duration"]
            .map(str::to_owned);
        let argv = line.split(' ').map(OsString::from);
        let out = rewrite(argv, &longs);
        let out: Vec<&str> = out.iter().map(|arg| arg.to_str().unwrap()).collect();
        out.join(" ")
    }

    #[test]
    fn each_line_means_what_its_writer_meant() {
        let table = [
            ("lt", "lt"),
            ("lt -c", "lt --concurrent=on"),
            ("lt -c 50 -n 200 URL", "lt --concurrent=50 -n 200 URL"),
            ("lt -c URL", "lt --concurrent=on URL"),
            ("lt -n1000 -c10", "lt -n1000 --concurrent=10"),
            ("lt -c=10", "lt --concurrent=10"),
            ("lt -c=true", "lt --concurrent=true"),
            ("lt -concurrent -n 5", "lt --concurrent=on -n 5"),
            ("lt --concurrent 8", "lt --concurrent=8"),
            (
                "lt -c -n 100 -workers 10 -rate 10",
                "lt --concurrent=on -n 100 --workers 10 --rate 10",
            ),
            (
                "lt -c -n 1000 -workers 20 -rate 100",
                "lt --concurrent=on -n 1000 --workers 20 --rate 100",
            ),
            ("lt -c -n 1000 -workers 20", "lt --concurrent=on -n 1000 --workers 20"),
            ("lt -workers=20 -rate=100 URL", "lt --workers=20 --rate=100 URL"),
            (
                "lt --workers 20 -z 10s -H A:b -H C:d URL",
                "lt --workers 20 -z 10s -H A:b -H C:d URL",
            ),
            ("lt -timeout 5s -url URL", "lt --timeout 5s --url URL"),
            ("lt -rate 100 -c -- URL", "lt --rate 100 --concurrent=on -- URL"),
            ("lt -- -workers -c", "lt -- -workers -c"),
            ("lt -unknown", "lt -unknown"),
            ("lt - -n 5", "lt - -n 5"),
        ];
        for (written, read) in table {
            assert_eq!(rewritten(written), read, "{written}");
        }
    }
}
