//! Keys: what is shown of them, and which are refused.

use super::{weak::ORDER_8, *};

fn kid() -> Label {
    Label::parse("k1").unwrap()
}

#[test]
fn debug_never_shows_a_secret() {
    let secret = b"0123456789abcdef0123456789ABCDEF";
    for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256] {
        let key = SigningKey::new(Scheme::Native, algorithm, kid(), secret).unwrap();
        let shown = format!("{key:?} {:#?}", key.verify_key());
        let spellings = [
            "0123456789".to_owned(),
            URL_SAFE_NO_PAD.encode(secret),
            format!("{:?}", &secret[..4])
                .trim_matches(['[', ']'])
                .to_owned(),
        ];
        for spelling in spellings {
            assert!(!shown.contains(&spelling), "{shown}");
        }
    }
}

#[test]
fn keys_under_which_anybody_can_sign_are_refused() {
    let mut weak = vec![[0; 32], ORDER_8[0], ORDER_8[1]];
    for low in 0xec..=0xff {
        let mut near_p = [0xff; 32];
        (near_p[0], near_p[31]) = (low, 0x7f);
        weak.push(near_p);
    }
    weak.push({
        let mut one = [0; 32];
        one[0] = 1;
        one
    });
    for mut bytes in weak {
        assert!(
            VerifyKey::new(Algorithm::Ed25519, kid(), &bytes).is_err(),
            "{bytes:?}"
        );
        bytes[31] |= 0x80;
        assert!(
            VerifyKey::new(Algorithm::Ed25519, kid(), &bytes).is_err(),
            "{bytes:?}"
        );
    }
}

#[test]
fn short_long_and_placeholder_secrets_are_refused() {
    for bad in [
        vec![],
        vec![7; 32],
        (0..31).collect(),
        (0..65).collect::<Vec<u8>>(),
    ] {
        assert!(VerifyKey::new(Algorithm::HmacSha256, kid(), &bad).is_err());
        assert!(SigningKey::new(Scheme::Native, Algorithm::HmacSha256, kid(), &bad).is_err());
        assert!(SigningKey::new(Scheme::Native, Algorithm::Ed25519, kid(), &bad).is_err());
    }
    let long: Vec<u8> = (0..33).collect();
    assert!(SigningKey::new(Scheme::Native, Algorithm::Ed25519, kid(), &long).is_err());
    assert!(SigningKey::new(Scheme::Native, Algorithm::HmacSha256, kid(), &long).is_ok());
}

#[test]
fn generated_keys_differ_and_verify_their_own_signatures() {
    for algorithm in [Algorithm::Ed25519, Algorithm::HmacSha256] {
        let one = SigningKey::generate(algorithm, kid()).unwrap();
        let other = SigningKey::generate(algorithm, kid()).unwrap();
        let signature = one.signature(b"m");
        let lengths = one.verify_key().signature_bytes(Form::Plain);
        assert!(lengths.contains(&signature.len()));
        assert!(one.verify_key().verifies(b"m", &signature));
        assert!(!one.verify_key().verifies(b"n", &signature));
        assert!(!other.verify_key().verifies(b"m", &signature));
    }
}
